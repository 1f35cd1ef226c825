"""
Sends a generated set over mutual TLS. Sendings go out in order of their number as workers are free, but a sending waits until every
earlier sending that shares a dossier with it has its final answer: a dossier's events are never in flight together.
"""
import heapq
import http.client
import json
import os
import sys
import threading
import time

from . import net

RETRY = {429, 502, 503, 504}


class Order:
    """Hands out sendings whose dossiers are free."""

    def __init__(self, rows):
        self.rows = rows
        self.waiting = [0] * len(rows)               # earlier sendings it still waits for
        self.after = [[] for _ in rows]
        last = {}
        for i, row in enumerate(rows):
            for d in {x["dossier"] for x in row["items"]}:
                if d in last and i not in self.after[last[d]]:
                    self.after[last[d]].append(i)
                    self.waiting[i] += 1
                last[d] = i
        self.ready = [i for i, n in enumerate(self.waiting) if n == 0]
        heapq.heapify(self.ready)
        self.left = len(rows)
        self.cond = threading.Condition()
        self.stopped = False

    def take(self):
        with self.cond:
            while not self.ready and self.left and not self.stopped:
                self.cond.wait()
            if self.stopped or not self.ready:
                return None
            return heapq.heappop(self.ready)

    def done(self, i):
        with self.cond:
            self.left -= 1
            for j in self.after[i]:
                self.waiting[j] -= 1
                if self.waiting[j] == 0:
                    heapq.heappush(self.ready, j)
            self.cond.notify_all()

    def stop(self):
        with self.cond:
            self.stopped = True
            self.cond.notify_all()


class Pace:
    def __init__(self, rate):
        self.gap = 1.0 / rate if rate else 0
        self.next, self.lock = time.monotonic(), threading.Lock()

    def wait(self):
        if not self.gap:
            return
        with self.lock:
            now = time.monotonic()
            self.next = max(self.next, now) + self.gap
            pause = self.next - self.gap - now
        if pause > 0:
            time.sleep(pause)


def _answers(row, status, body):
    """One {status, code?, receipt?} per item, whatever the kind of answer."""
    try:
        doc = json.loads(body) if body else {}
    except ValueError:
        doc = {}
    if not isinstance(doc, dict):
        doc = {}
    results = doc.get("results", doc.get("items"))
    if not isinstance(results, list):
        results = [doc] * len(row["items"])
    out = []
    for r in results:
        a = {"status": r.get("status", status) if isinstance(r.get("status", status), int) else status}
        problem = r.get("problem") if isinstance(r.get("problem"), dict) else r
        if isinstance(problem.get("status"), int):
            a["status"] = problem["status"]
        for key in ("code", "field", "pointer", "detail"):
            if problem.get(key):
                a[key] = problem[key]
        if isinstance(r.get("receipt"), str):
            a["receipt"] = r["receipt"]
        out.append(a)
    return out


def differences(row, answers):
    if len(answers) != len(row["items"]):
        return [f"{len(row['items'])} items sent, {len(answers)} answered"]
    out = []
    for n, (want, got) in enumerate(zip(row["items"], answers)):
        where = f"{row['path']} item {n + 1} ({want['dossier']})"
        if want["expect"] != "refused":
            if not 200 <= got["status"] < 300:
                out.append(f"{where}: expected 2xx, got {got['status']} {got.get('code', '')} {got.get('detail', '')}".rstrip())
        elif got["status"] != want["status"]:
            out.append(f"{where}: expected {want['status']} {want['code']}, got {got['status']} {got.get('code', '')}".rstrip())
        elif want["status"] != 403 and got.get("code") and got["code"] != want["code"]:
            out.append(f"{where}: expected code {want['code']}, got {got['code']}")
    return out


class Sender:
    def __init__(self, o, rows):
        self.o, self.rows = o, rows
        self.order, self.pace = Order(rows), Pace(o.rate)
        self.contexts = net.contexts(o.pki, sorted({r["client"] for r in rows}))
        self.sent = [None] * len(rows)
        self.problems, self.fatal = [], None
        self.lock = threading.Lock()
        self.counts = {"requests": 0, "sent": 0, "accepted": 0, "refused": 0, "resent": 0}

    def worker(self):
        clients = {}
        while True:
            i = self.order.take()
            if i is None:
                break
            try:
                self.one(i, clients)
            except Exception as e:                      # a worker must never end silently: the order would wait for ever
                self.fatal = f"{self.rows[i]['path']}: {type(e).__name__}: {e}"
                self.order.stop()
                break
            self.order.done(i)
        for c in clients.values():
            c.close()

    def one(self, i, clients):
        row = self.rows[i]
        client = clients.setdefault(row["client"], net.Client(self.o.base_url, self.contexts[row["client"]], self.o.timeout))
        with open(os.path.join(self.o.dir, row["path"]), "rb") as f:
            body = f.read()
        deadline = time.monotonic() + self.o.patience
        attempts, unknown = 0, 0
        self.pace.wait()
        began = time.monotonic()
        while True:
            attempts += 1
            try:
                status, headers, data = client.request("POST", "/v1/events", body, {"Content-Type": row["media"]})
                pause = None
                if status in RETRY:
                    unknown += status == 503 or status == 504   # may have been kept: the same content goes again
                    try:
                        pause = float(headers.get("Retry-After", "1"))
                    except ValueError:
                        pause = 1.0
                elif any(a["status"] == 503 for a in _answers(row, status, data)):
                    unknown += 1  # some items of several were kept: all of it again, what was kept is recognised
                    pause = 1.0
            except (OSError, http.client.HTTPException) as e:
                status, data, pause = 0, b"", min(0.2 * 2 ** min(attempts, 6), 5)
                unknown += 1
                error = e
            if pause is None:
                break
            if time.monotonic() + pause > deadline:
                if status == 0:
                    raise OSError(f"no answer for {self.o.patience:g} s: {error}")
                break
            time.sleep(pause)
        answers = _answers(row, status, data)
        bad = differences(row, answers)
        with self.lock:
            self.sent[i] = {"seq": row["seq"], "status": status, "attempts": attempts, "resent": unknown > 0,
                            "ms": round((time.monotonic() - began) * 1000, 1), "items": answers}
            c = self.counts
            c["requests"] += 1
            c["sent"] += len(row["items"])
            c["resent"] += unknown > 0
            for a in answers[: len(row["items"])]:
                c["accepted" if 200 <= a["status"] < 300 else "refused"] += 1
            self.problems += bad

    def run(self):
        threads = [threading.Thread(target=self.worker, daemon=True) for _ in range(self.o.workers)]
        began = time.monotonic()
        for t in threads:
            t.start()
        tty = sys.stderr.isatty()
        while any(t.is_alive() for t in threads):
            threads[0].join(0.2) if threads[0].is_alive() else time.sleep(0.2)
            if tty:
                self.line(began, "\r")
        if tty:
            self.line(began, "\n")
        return time.monotonic() - began

    def line(self, began, end):
        c, total = self.counts, len(self.rows)
        took = max(time.monotonic() - began, 0.001)
        width = 24 * c["requests"] // max(total, 1)
        sys.stderr.write(f"\x1b[2K[{'#' * width}{'.' * (24 - width)}] {c['requests']}/{total} requests, {c['sent']} events, "
                         f"{c['accepted']} accepted, {c['refused']} refused, {c['sent'] / took:.0f}/s" + end)
        sys.stderr.flush()


def verdicts(o, rows, sent):
    """Ask every receipt for its verdict until all are decided; differences from the truth."""
    problems, pending = [], []
    for row, s in zip(rows, sent):
        for want, got in zip(row["items"], s["items"]):
            if got.get("receipt"):
                pending.append((row, want, got, s["resent"]))
            elif 200 <= got["status"] < 300:
                problems.append(f"{row['path']}: accepted without a receipt")
    contexts = net.contexts(o.pki, sorted({r["client"] for r in rows}))
    clients = {n: net.Client(o.base_url, c, o.timeout) for n, c in contexts.items()}
    deadline = time.monotonic() + o.patience
    while pending and time.monotonic() < deadline:
        rest = []
        for row, want, got, resent in pending:
            try:
                status, _, data = clients[row["client"]].request("GET", "/v1/receipts/" + got["receipt"])
                doc = json.loads(data) if status == 200 else {}
            except (OSError, http.client.HTTPException, ValueError):
                status, doc = 0, {}
            verdict = doc.get("verdict")
            if status == 404 or status == 403:
                problems.append(f"{row['path']} {want['dossier']}: receipt not known (HTTP {status})")
            elif not verdict:
                rest.append((row, want, got, resent))
            else:
                got["verdict"] = verdict
                allowed = {want["expect"]} | ({"duplicate"} if resent and want["expect"] == "new" else set())
                if verdict not in allowed:
                    problems.append(f"{row['path']} {want['dossier']}: expected {want['expect']}, got {verdict}")
        if len(rest) == len(pending):
            time.sleep(0.5)
        pending = rest
    for c in clients.values():
        c.close()
    if pending:
        problems.append(f"{len(pending)} receipts still without a verdict after {o.patience:g} s")
    return problems


def load(folder):
    path = os.path.join(folder, "manifest.ndjson")
    try:
        with open(path, encoding="utf-8") as f:
            return [json.loads(line) for line in f]
    except FileNotFoundError:
        sys.exit(f"loadgen: {path}: not there (tools/loadgen generate --out {folder})")


def send(o):
    rows = load(o.dir)
    s = Sender(o, rows)
    took = s.run()
    problems = list(s.problems)
    if s.fatal:
        print(f"loadgen: {s.fatal}", file=sys.stderr)
    elif o.verdicts:
        problems += verdicts(o, rows, s.sent)
    with open(os.path.join(o.dir, "sent.json"), "w", encoding="utf-8") as f:
        json.dump({"seconds": round(took, 3), "totals": s.counts, "complete": s.fatal is None, "differences": problems,
                   "requests": [x for x in s.sent if x]}, f, ensure_ascii=False)
        f.write("\n")
    for p in problems[:20]:
        print(f"loadgen: {p}", file=sys.stderr)
    if len(problems) > 20:
        print(f"loadgen: … and {len(problems) - 20} more, all in sent.json", file=sys.stderr)
    c = s.counts
    print(f"loadgen: sent {c['sent']} events in {c['requests']} requests in {took:.1f} s ({c['sent'] / max(took, 1e-3):.0f}/s): "
          f"{c['accepted']} accepted, {c['refused']} refused, {c['resent']} requests sent again, {len(problems)} differences", file=sys.stderr)
    return 69 if s.fatal else 1 if problems else 0
