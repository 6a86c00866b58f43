/**
 * `fetch URL FILE` prints the HTTP status and keeps up to 64 KB of the body: with curl, else python3, else bash's own
 * /dev/tcp. `limit SECONDS COMMAND` runs a command that may hang. Nothing is a status, so it prints nothing or 000.
 */
export const FETCH = `
limit() { if command -v timeout >/dev/null 2>&1; then timeout "$@"; else shift; "$@"; fi; }
fetch() {
  if command -v curl >/dev/null 2>&1; then
    curl -s -m 5 -o "$2" -w '%{http_code}' "$1"
  elif command -v python3 >/dev/null 2>&1; then
    python3 -c '
import sys, urllib.request, urllib.error
try:
    r = urllib.request.urlopen(sys.argv[1], timeout=5); code = r.status; body = r.read(65536)
except urllib.error.HTTPError as e:
    code = e.code; body = b""
except Exception:
    code = 0; body = b""
open(sys.argv[2], "wb").write(body); print(code)' "$1" "$2"
  else
    limit 6 bash --noprofile --norc -c '
rest=\${1#http://}; place=\${rest%%/*}; cr=$(printf "\\r")
exec 3<>"/dev/tcp/\${place%:*}/\${place##*:}" || exit
printf "GET /%s HTTP/1.0\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n" "\${rest#*/}" "$place" >&3
IFS=" " read -r _ code _ <&3; printf "%s" "\${code%"$cr"}"
while IFS= read -r line <&3; do [ -n "\${line%"$cr"}" ] || break; done
head -c 65536 <&3 >"$2"' bash "$1" "$2" 2>/dev/null
  fi
}
`;

/** `is_forge_page FILE`: the image's proxy has pages of its own, which answer 200 too (traps 24). */
export const IS_FORGE_PAGE = `
is_forge_page() { head -c 65536 "$1" 2>/dev/null | grep -qiE 'gradio|stable diffusion|forge'; }
`;
