"""Published ports of one machine: publish.py ADDRESS OUTSIDE:INSIDE..., each passed on to the machine's own address."""
import asyncio
import sys

ADDRESS, PAIRS = sys.argv[1], [tuple(map(int, pair.split(':'))) for pair in sys.argv[2:]]


async def pump(reader, writer):
    try:
        while data := await reader.read(262144):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


def passing_to(port):
    async def serve(reader, writer):
        try:
            inner_reader, inner_writer = await asyncio.open_connection(ADDRESS, port)
        except OSError:
            # As a host with a forwarding rule does when nothing listens behind it.
            writer.transport.abort()
            return
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))
        inner_writer.close()
        writer.close()
    return serve


async def main():
    for outside, inside in PAIRS:
        await asyncio.start_server(passing_to(inside), ADDRESS, outside)
    await asyncio.Event().wait()


asyncio.run(main())
