"""Drives `chaos proxy` through the public Toxiproxy client for Python, unchanged. Ends with `all well`."""

import json
import socket
import sys
import threading
import time

from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists


def echo_server():
    server = socket.create_server(("127.0.0.1", 0))

    def echo(connection):
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    def accept():
        while True:
            threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return "127.0.0.1:%d" % server.getsockname()[1]


def connect(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=10)


def round_trip(address):
    with connect(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"warm")
        assert connection.recv(64) == b"warm"
        began = time.monotonic()
        connection.sendall(b"ping")
        assert connection.recv(64) == b"ping"
        return time.monotonic() - began


def refused(address):
    try:
        connect(address).close()
        return False
    except ConnectionRefusedError:
        return True


def raises(kind, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind as error:
        return json.loads(error.args[0]) if isinstance(error.args[0], bytes) else {}
    raise AssertionError("%s was not raised" % kind.__name__)


api_port = int(sys.argv[1])
upstream = echo_server()
server = Toxiproxy()
server.update_api_consumer("127.0.0.1", api_port)

assert server.running()
assert json.loads(server.version())["version"].startswith("2."), server.version()
assert server.proxies() == {}

proxy = server.create(name="redis", upstream=upstream)
assert proxy.enabled and proxy.upstream == upstream, vars(proxy)
assert not proxy.listen.endswith(":0"), "port 0 is chosen and told"
assert list(server.proxies()) == ["redis"]
raises(ProxyExists, server.create, name="redis", upstream=upstream)
assert round_trip(proxy.listen) < 0.05

proxy.add_toxic(type="latency", attributes={"latency": 200, "jitter": 0})
assert sorted(proxy.toxics()) == ["latency_downstream"]
toxic = proxy.get_toxic("latency_downstream")
assert toxic.attributes == {"latency": 200, "jitter": 0} and toxic.stream == "downstream" and toxic.toxicity == 1
assert 0.2 <= round_trip(proxy.listen) < 0.3
assert raises(InvalidToxic, proxy.add_toxic, type="sharks")["error"] == "invalid toxic type"
assert raises(ProxyExists, proxy.add_toxic, type="latency")["error"] == "toxic already exists"
assert proxy.destroy_toxic("latency_downstream")
assert raises(NotFound, proxy.destroy_toxic, "latency_downstream")["error"] == "toxic not found"
assert round_trip(proxy.listen) < 0.05

proxy.add_toxic(name="cut", type="limit_data", stream="downstream", attributes={"bytes": 6})
with connect(proxy.listen) as connection:
    connection.sendall(b"0123456789")
    received = b""
    while data := connection.recv(64):
        received += data
    assert received == b"012345", received
proxy.destroy_toxic("cut")

proxy.add_toxic(type="reset_peer", attributes={"timeout": 0})
try:
    round_trip(proxy.listen)
    raise AssertionError("not reset")
except ConnectionResetError:
    pass
proxy.destroy_toxic("reset_peer_downstream")

with proxy.down():
    assert refused(proxy.listen)
    assert not server.get_proxy("redis").enabled
assert round_trip(proxy.listen) < 0.05

proxy.add_toxic(type="timeout", attributes={"timeout": 100})
server.reset()
assert proxy.toxics() == {}

made = server.populate([
    {"name": "redis", "upstream": upstream, "listen": proxy.listen},
    {"name": "postgres", "upstream": upstream, "listen": "127.0.0.1:0"},
])
assert [one.name for one in made] == ["postgres"], "one that agrees is left alone"
assert round_trip(made[0].listen) < 0.05

server.destroy_all()
assert server.proxies() == {}
assert refused(proxy.listen)
print("all well")
