"""HTTP over mutual TLS for the sender and the comparisons: one keep-alive connection per client name and thread."""
import http.client
import json
import os
import ssl
import sys
import urllib.parse


def contexts(pki, names):
    out = {}
    for name in names:
        ctx = ssl.create_default_context(cafile=os.path.join(pki, "ca.crt"))
        crt, key = os.path.join(pki, name + ".crt"), os.path.join(pki, name + ".key")
        try:
            ctx.load_cert_chain(crt, key)
        except OSError as e:
            sys.exit(f"loadgen: certificate of {name}: {crt}: {e.strerror or e} (tools/pki make)")
        out[name] = ctx
    return out


class Client:
    def __init__(self, base_url, context, timeout=30):
        u = urllib.parse.urlsplit(base_url)
        if u.scheme not in ("https", "http") or not u.hostname:
            sys.exit(f"loadgen: expected a URL like https://127.0.0.1:18443, got {base_url!r}")
        self.url, self.context, self.timeout, self.conn = u, context, timeout, None

    def request(self, method, path, body=None, headers=None):
        """(status, headers, bytes); OSError or http.client.HTTPException when there was no whole answer."""
        if self.conn is None:
            port = self.url.port
            if self.url.scheme == "https":
                self.conn = http.client.HTTPSConnection(self.url.hostname, port, timeout=self.timeout, context=self.context)
            else:
                self.conn = http.client.HTTPConnection(self.url.hostname, port, timeout=self.timeout)
        try:
            self.conn.request(method, self.url.path.rstrip("/") + path, body=body, headers=headers or {})
            r = self.conn.getresponse()
            data = r.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if r.will_close:
            self.close()
        return r.status, r.headers, data

    def get_json(self, path):
        status, _, data = self.request("GET", path, headers={"Accept": "application/json"})
        if status != 200:
            raise OSError(f"{self.url.geturl()}{path}: HTTP {status}")
        return json.loads(data)

    def close(self):
        if self.conn is not None:
            self.conn.close()
            self.conn = None
