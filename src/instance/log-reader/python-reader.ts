/** All of them in turn, until the client has gone or has everything. */
export const READER = `class Reader:
    def __init__(self, wish):
        self.follow, self.wish = wish['follow'], wish
        self.times = Times(wish['times'])
        self.keys = wish['next_key']
        since = wish['since']
        self.since = None if since is None else time.time() - since['ago_s'] if 'ago_s' in since else since['epoch_s']
        self.logs, self.scanned = {}, 0

    def new_key(self):
        self.keys += 1
        return self.keys

    def open(self, name, is_new):
        log = self.logs[name] = Log(self, name)
        state = self.wish['positions'].get(name)
        if state is not None:
            log.resume(state)
        elif is_new:
            log.begin(None, None)
        else:
            log.begin(self.wish['tail'], self.since)

    def scan(self, is_new):
        if time.time() - self.scanned < RESCAN:
            return
        self.scanned = time.time()
        names = [log['name'] for log in listed() if log['portal'] and not log['name'].endswith('.old')]
        for name in names:
            if name not in self.logs:
                self.open(name, is_new)

    def run(self):
        names = self.wish['names']
        for name in list(self.wish['positions']) + (names or []):
            if name not in self.logs:
                self.open(name, False)
        if names is None:
            self.scan(bool(self.wish['positions']))
        ticked = time.time()
        while True:
            if names is None and self.follow:
                self.scan(True)
            sent = sum([log.step() for log in list(self.logs.values())])
            if not self.follow and all(log.caught_up for log in self.logs.values()):
                return send({'t': 'done'})
            if time.time() - ticked >= TICK:
                ticked = time.time()
                send({'t': 'tick'})
            if select.select([0], [], [], 0 if sent else POLL)[0] and not os.read(0, 65536):
                return

try:
    send({
        't': 'catalog', 'logs': listed(), 'utc_offset_s': time.localtime().tm_gmtoff,
        'provisioning': os.path.exists(ROOT + '/.provisioning'),
        'provisioning_failed': os.path.exists(ROOT + '/.provisioning_failed'),
    })
    Reader(ask()).run()
except (BrokenPipeError, KeyboardInterrupt):
    pass
`;
