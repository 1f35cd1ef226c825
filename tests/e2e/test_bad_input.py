"""Every bad input has a named outcome: HTTP status, problem code and place for the sender, a dead letter for the operator, and the next good
event of the same sender is accepted and judged new as if nothing had been."""

import dataclasses
import hashlib
import json
import os
import re
import socket
import ssl

import pytest

from tests.e2e.events import JSON, NDJSON, XML, new_code, opencps, xml, xml_item
from tests.e2e.world import fresh_world, run
from tools.lt.stack import ROOT, get, wait_for

PROBLEM = "application/problem+json"
LAUGHS = ('<?xml version="1.0"?>\n<!DOCTYPE lolz [<!ENTITY a0 "ha">'
          + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12)) + ']>\n')


@pytest.fixture(scope="module")
def up(tmp_path_factory, pki, bootstrap):
    """One running installation for this module: refusals do not disturb each other."""
    run(ROOT / "tools/pki", "make", "--dir", pki, "--expired", "h22", "--client", "h99", check=0)
    with fresh_world(tmp_path_factory.mktemp("bad-input"), pki, bootstrap) as world:
        world.start()
        world.intake, world.deadletters, world.audit = (world.tail(t) for t in ("lt.intake", "lt.deadletter", "lt.audit"))
        yield world
        assert world.gateway.must_live()
        for tail in (world.intake, world.deadletters, world.audit):
            tail.close()


@pytest.fixture
def nothing_lost(up):
    """After the bad input a good event of the same sender is accepted and judged new."""
    yield
    status, answer = up.post("h22", xml(xml_item(new_code())), XML)
    assert status == 202, answer
    assert up.verdict("h22", answer["receipt"]) == "new"


pytestmark = pytest.mark.usefixtures("nothing_lost")


@dataclasses.dataclass
class Answer:
    status: int
    headers: object
    body: dict


def send(up, body, media=XML, who="h22", headers=None, path="/v1/events", method="POST"):
    if isinstance(body, (dict, list)):
        body = json.dumps(body, ensure_ascii=False)
    if isinstance(body, str):
        body = body.encode()
    status, head, answer = up.client(who).request(up.url + path, body=body, media=media, method=method, headers=headers)
    return Answer(status, head, json.loads(answer) if answer else None)


def letters(up, raw):
    """Dead letters of these very bytes."""
    digest = hashlib.sha256(raw.encode() if isinstance(raw, str) else raw).hexdigest()
    return [r for r in up.deadletters.read() if r[3].get("lt_sha256") == digest]


def intake_of(up, code):
    return [r for r in up.intake.read() if code in r[2]]


def problem(answer, status, code):
    assert (answer.status, answer.body.get("code")) == (status, code), answer
    assert answer.headers["Content-Type"] == PROBLEM
    assert answer.body["status"] == status and answer.body["type"] == f"urn:lienthong:problem:{code}" and answer.body["detail"]
    return answer.body


def refused(up, body, status, code, media=XML, who="h22", **kw):
    """The whole input is refused: the answer names it, and its dead letter has the bytes and says the same. Returns (problem, headers)."""
    if isinstance(body, (dict, list)):
        body = json.dumps(body, ensure_ascii=False)
    raw = body.encode() if isinstance(body, str) else body
    before = up.intake.read().copy()
    p = problem(send(up, raw, media, who, **kw), status, code)
    (letter,) = letters(up, raw)
    headers, value = letter[3], letter[4]
    assert (headers["lt_reason"], headers["lt_status"], headers["lt_client"], headers["lt_source"]) == (code, str(status), who, "http")
    assert headers["lt_detail"] == p["detail"] and headers.get("lt_pointer", "") == p.get("pointer", "")
    assert headers.get("lt_field", "") == p.get("field", "") and headers.get("lt_line") == (str(p["line"]) if "line" in p else None)
    assert headers["lt_length"] == str(len(raw)) and value == raw[:len(value)] and (len(value) == len(raw) or headers["lt_truncated"] == "true")
    assert up.intake.read() == before, "something of a refused input is in lt.intake"
    return p, headers


def audited(up, **want):
    entries = [json.loads(r[4]) for r in up.audit.read()]
    return [e for e in entries if want.items() <= e.items()]


# ---- who ---------------------------------------------------------------------------------------------------------------


def alert(up, context):
    """Shake hands, send nothing, and wait for what the server says of the certificate."""
    with socket.create_connection(("127.0.0.1", up.ingest_port), timeout=10) as plain:
        with pytest.raises(ssl.SSLError) as e:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
                tls.recv(1)
    return e.value.reason


def trusting(up):
    return ssl.create_default_context(cafile=str(up.pki / "ca.crt"))


def tls_failures(up):
    return up.status()["ingest"]["http"]["tls_failures"]


def test_without_a_client_certificate_the_handshake_ends_in_an_alert(up):
    before = tls_failures(up)
    assert alert(up, trusting(up)) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    wait_for("the failed handshake to be counted", lambda: tls_failures(up) == before + 1, 10)


def test_a_certificate_of_a_foreign_authority_ends_in_an_alert(up, tmp_path):
    run(ROOT / "tools/pki", "make", "--dir", tmp_path / "other", check=0)
    context = trusting(up)
    context.load_cert_chain(tmp_path / "other/h22.crt", tmp_path / "other/h22.key")
    assert alert(up, context) in ("TLSV1_ALERT_UNKNOWN_CA", "TLSV1_ALERT_DECRYPT_ERROR")


def test_an_expired_client_certificate_ends_in_an_alert(up):
    context = trusting(up)
    context.load_cert_chain(up.pki / "h22-expired.crt", up.pki / "h22-expired.key")
    assert alert(up, context) in ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "SSL/TLS_ALERT_CERTIFICATE_EXPIRED")

    def told():  # whose it is: somebody has to be called
        alert(up, context)
        return "handshake with 127.0.0.1 failed: certificate of 'h22': certificate has expired" in up.gateway.log.read_text()
    wait_for("the log to say whose", told, 10, every=0.5)  # one such line a second


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_1_1_is_not_spoken(up):
    context = trusting(up)
    context.load_cert_chain(up.pki / "h22.crt", up.pki / "h22.key")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert "PROTOCOL" in alert(up, context)


def test_a_certificate_that_no_client_is_configured_for_is_403_and_audited_by_its_fingerprint(up):
    der = ssl.PEM_cert_to_DER_cert((up.pki / "h99.crt").read_text())
    fingerprint = hashlib.sha256(der).hexdigest()
    code = new_code()

    def seen():  # such entries are written once a second at most
        problem(send(up, xml(xml_item(code)), who="h99"), 403, "unknown-client")
        return audited(up, code="unknown-client", actor=fingerprint)

    (entry,) = wait_for("the audit entry", seen, 10, every=0.3)
    assert entry["action"] == "submission-refused"
    assert not intake_of(up, code)


def test_an_event_of_another_province_is_403_audited_and_a_dead_letter(up):
    code = new_code()
    p, headers = refused(up, xml(xml_item(code)), 403, "other-province", who="h40")
    assert p["field"] == "province" and "H22" in p["detail"]
    assert (headers["ce_subject"], headers["ce_province"]) == (code, "H22")
    (entry,) = audited(up, code="other-province", subject=code)
    assert (entry["actor"], entry["province"], entry["source"]) == ("h40", "H22", "http")


def test_an_operator_may_not_send_events(up):
    code = new_code()
    problem(send(up, xml(xml_item(code)), who="operator"), 403, "role-not-allowed")
    assert not intake_of(up, code)


# ---- the request ---------------------------------------------------------------------------------------------------------


def raw_connection(up, who="h22"):
    context = trusting(up)
    context.load_cert_chain(up.pki / f"{who}.crt", up.pki / f"{who}.key")
    return context.wrap_socket(socket.create_connection(("127.0.0.1", up.ingest_port), timeout=30), server_hostname="127.0.0.1")


def head(length, media=XML, extra=""):
    return f"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: {media}\r\n{length}\r\n{extra}\r\n".encode()


def test_a_body_that_ends_before_its_length_leaves_nothing_in_kafka(up):
    code = new_code()
    body = xml(xml_item(code)).encode()
    before = len(up.deadletters.read())
    with raw_connection(up) as tls:
        tls.sendall(head(f"Content-Length: {len(body) + 100}") + body)
    wait_for("the connection to be gone", lambda: up.status()["ingest"]["http"]["connections_now"] == 0, 90)
    assert not intake_of(up, code) and len(up.deadletters.read()) == before


def test_chunks_that_end_before_the_last_leave_nothing_in_kafka(up):
    code = new_code()
    body = xml(xml_item(code)).encode()
    with raw_connection(up) as tls:
        tls.sendall(head("Transfer-Encoding: chunked") + f"{len(body):x}\r\n".encode() + body + b"\r\n")
    wait_for("the connection to be gone", lambda: up.status()["ingest"]["http"]["connections_now"] == 0, 90)
    assert not intake_of(up, code)


def read_status(tls):
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = tls.recv(4096)
        if not piece:
            break
        answer += piece
    return int(answer.split()[1]), answer


def kept(up, length):
    """The dead letter of a body of that length."""
    (record,) = [r for r in up.read("lt.deadletter") if r[3].get("lt_length") == str(length)]
    assert record[3]["lt_reason"] == "body-too-large" and record[3]["lt_truncated"] == "true" and record[3]["lt_client"]
    return record


def test_100_mb_are_refused_at_their_announcement(up):
    before = up.status()["ingest"]["http"]["refused_413"]
    with raw_connection(up) as tls:
        tls.sendall(head("Content-Length: 104857601"))  # not a byte of the body
        status, answer = read_status(tls)
    assert status == 413 and b"body-too-large" in answer and PROBLEM.encode() in answer
    assert up.status()["ingest"]["http"]["refused_413"] == before + 1
    record = kept(up, 104857601)
    assert not record[4] and "lt_sha256" not in record[3]


def peak_memory(up):
    return int(re.search(r"VmHWM:\s+(\d+) kB", open(f"/proc/{up.gateway.pid()}/status").read()).group(1)) << 10


def chunks(count):
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    return (piece for _ in range(count))


@pytest.mark.parametrize("how", ["Content-Length: 104857600", "Transfer-Encoding: chunked"])
def test_100_mb_that_are_sent_all_the_same_get_their_answer_and_no_memory(up, how):
    length = 104857600 + 65536 * ("chunked" in how)
    before, peak = up.status()["ingest"]["http"]["refused_413"], peak_memory(up)
    with raw_connection(up) as tls:
        tls.sendall(head(how))
        for piece in chunks(length // 65536):
            tls.sendall(piece if "chunked" in how else b"x" * 65536)
        if "chunked" in how:
            tls.sendall(b"0\r\n\r\n")
        assert read_status(tls)[0] == 413
    assert up.status()["ingest"]["http"]["refused_413"] == before + 1
    assert peak_memory(up) < peak + (32 << 20)
    record = kept(up, length)
    digest = hashlib.sha256()
    for _ in range(length // 65536):
        digest.update(b"x" * 65536)
    assert record[3]["lt_sha256"] == digest.hexdigest() and record[4] == b"x" * 65536


def test_a_sender_that_never_ends_is_cut_off(up):
    peak, sent = peak_memory(up), 0
    with raw_connection(up) as tls:
        tls.sendall(head("Transfer-Encoding: chunked"))
        with pytest.raises(OSError):
            for piece in chunks(32 * 1024):  # 2 GiB
                tls.sendall(piece)
                sent += 65536
    assert sent > 4 << 20 and peak_memory(up) < peak + (32 << 20)


def test_a_body_above_the_limit_of_this_client_is_413_with_its_digest_kept(up):
    body = xml(xml_item(new_code(), note="x" * (2 << 20)))  # h29 may send 2 MiB, the gateway takes 4
    _, headers = refused(up, body, 413, "body-too-large", who="h29")
    assert headers["lt_truncated"] == "true"


@pytest.mark.parametrize("media, code", [("text/plain", "no-mapping"), ("application/octet-stream", "no-mapping"), (None, "content-type-missing")])
def test_a_wrong_content_type_is_415(up, media, code):
    body = xml(xml_item(new_code()))
    if media:
        p, headers = refused(up, body, 415, code, media=media)
        assert headers["lt_media"] == media
    else:
        with raw_connection(up) as tls:
            tls.sendall(f"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}".encode())
            status, answer = read_status(tls)
        assert status == 415 and code.encode() in answer
        assert letters(up, body)[0][3]["lt_reason"] == code


def test_a_compressed_body_is_415(up):
    refused(up, xml(xml_item(new_code())), 415, "content-encoding", headers={"Content-Encoding": "gzip"})


def test_an_xml_root_that_nobody_accepts_is_415(up):
    refused(up, f'<a xmlns="urn:b">{new_code()}</a>', 415, "no-mapping")


def test_a_json_document_that_nobody_accepts_is_415(up):
    refused(up, {"MaHoSo": new_code()}, 415, "no-mapping", media=JSON)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/event", "/v1/receipts/", "/v2/events", "/v1/events/1"])
def test_a_path_that_is_not_there_is_404(up, path):
    problem(send(up, xml(xml_item(new_code())), path=path), 404, "not-found")


@pytest.mark.parametrize("method, path, allow", [("GET", "/v1/events", "POST"), ("PUT", "/v1/events", "POST"), ("POST", "/v1/receipts/1", "GET")])
def test_a_method_that_means_nothing_is_405_and_says_which_do(up, method, path, allow):
    answer = send(up, None if method == "GET" else "x", method=method, path=path)
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == allow


def test_headers_of_the_request_do_not_reach_the_event(up):
    code = new_code()
    answer = send(up, xml(xml_item(code)), headers={"lt_client": "h29", "lt_digest": "0" * 64, "ce_id": "0" * 32, "lt_replay": "r1"})
    assert answer.status == 202
    (record,) = intake_of(up, code)
    assert (record[3]["lt_client"], record[3]["ce_id"]) == ("h22", answer.body["id"])
    assert record[3]["lt_digest"] != "0" * 64 and "lt_replay" not in record[3]


# ---- hostile and broken documents -------------------------------------------------------------------------------------------


def test_xml_10000_deep_is_refused(up):
    p, _ = refused(up, xml("<a>" * 10000 + new_code() + "</a>" * 10000), 400, "xml-depth")
    assert p["line"] == 3


def test_json_10000_deep_is_refused(up):
    p, _ = refused(up, '{"systemCode": "' + new_code() + '", "x": ' + "[" * 10000 + "]" * 10000 + "}", 400, "json-depth", media=JSON)
    assert p["line"] == 1 and p["column"] > 1


def test_billion_laughs_are_not_expanded(up):
    peak = peak_memory(up)
    refused(up, xml(xml_item(new_code(), note="&a11;"), head=LAUGHS), 400, "xml-doctype")
    assert peak_memory(up) < peak + (32 << 20)


def test_an_external_entity_reads_no_file(up, tmp_path):
    """The file is a pipe: whoever opened it would wait for ever, and the answer with it."""
    pipe = tmp_path / "secret"
    os.mkfifo(pipe)
    body = xml(xml_item(new_code(), note="&x;"), head=f'<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY x SYSTEM "file://{pipe}">]>\n')
    p, _ = refused(up, body, 400, "xml-doctype")
    assert p["line"] == 2


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as s:
        s.setblocking(False)
        yield s


def untouched(listener):
    try:
        listener.accept()
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize("doctype", [
    '<!DOCTYPE a SYSTEM "{url}">', '<!DOCTYPE a [<!ENTITY % x SYSTEM "{url}"> %x;]>', '<!DOCTYPE a [<!ENTITY x SYSTEM "{url}">]>',
])
def test_an_external_dtd_or_entity_makes_no_network_call(up, listener, doctype):
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.dtd"
    refused(up, xml(xml_item(new_code()), head='<?xml version="1.0"?>\n' + doctype.format(url=url) + "\n"), 400, "xml-doctype")
    assert untouched(listener)


def test_a_schema_location_makes_no_network_call(up, listener):
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.xsd"
    where = f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:motcua:su-kien:1 {url}"'
    answer = send(up, xml(xml_item(new_code())).replace("<SuKienHoSo ", f"<SuKienHoSo {where} "))
    assert answer.status == 202, answer
    assert untouched(listener)


def test_an_xml_document_that_stops_half_way_names_the_line(up):
    body = xml(xml_item(new_code()))
    p, _ = refused(up, body[:body.index("<MaTTHC>")], 400, "xml-syntax")
    assert p["line"] == 9


def test_a_json_document_that_stops_half_way_names_line_and_column(up):
    body = json.dumps(opencps(new_code()), indent=1)
    p, _ = refused(up, body[:body.index('"originality"')], 400, "json-syntax", media=JSON)
    assert p["line"] == 6 and p["column"] >= 1


# ---- encodings -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec, mark", [("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")])
def test_utf_16_xml_with_a_byte_order_mark_is_the_same_event_as_utf_8(up, codec, mark):
    code = new_code()
    text = xml(xml_item(code), head='<?xml version="1.0" encoding="UTF-16"?>\n')
    assert send(up, mark + text.encode(codec)).status == 202
    again = send(up, xml(xml_item(code)))
    assert up.verdict("h22", again.body["receipt"]) == "duplicate"
    assert "VÀNG THỊ MẪU" in intake_of(up, code)[0][4].decode()


def test_utf_8_xml_with_a_byte_order_mark_is_accepted(up):
    assert send(up, b"\xef\xbb\xbf" + xml(xml_item(new_code())).encode()).status == 202


@pytest.mark.parametrize("codec, mark", [("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"), ("utf-16-le", b"")])
def test_utf_16_json_is_refused(up, codec, mark):
    refused(up, mark + json.dumps(opencps(new_code()), ensure_ascii=False).encode(codec), 400, "json-encoding", media=JSON)


def test_json_with_a_byte_order_mark_is_refused_by_that_name(up):
    p, _ = refused(up, b"\xef\xbb\xbf" + json.dumps(opencps(new_code())).encode(), 400, "json-encoding", media=JSON)
    assert "byte order mark" in p["detail"] and (p["line"], p["column"]) == (1, 1)


def test_invalid_utf_8_in_json_is_refused_with_its_place(up):
    body = json.dumps(opencps(new_code(), briefNote="@"), indent=1).encode()
    line = body[:body.index(b"@")].count(b"\n") + 1
    p, _ = refused(up, body.replace(b"@", b"\xc3\x28"), 400, "json-encoding", media=JSON)
    assert p["line"] == line


def test_invalid_utf_8_in_xml_is_refused_with_its_line(up):
    body = xml(xml_item(new_code(), note="@")).encode()
    p, _ = refused(up, body.replace(b"@", b"\xc3\x28"), 400, "xml-encoding")
    assert p["line"] == body[:body.index(b"@")].count(b"\n") + 1


def test_overlong_utf_8_and_surrogates_are_refused(up):
    for bad in (b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"):
        refused(up, json.dumps(opencps(new_code(), briefNote="@")).encode().replace(b"@", bad), 400, "json-encoding", media=JSON)
        refused(up, xml(xml_item(new_code(), note="@")).encode().replace(b"@", bad), 400, "xml-encoding")


def test_an_encoding_that_is_not_unicode_is_refused(up):
    refused(up, xml(xml_item(new_code()), head='<?xml version="1.0" encoding="windows-1258"?>\n').encode("utf-8"), 400, "xml-encoding")


# ---- documents that say the wrong thing ---------------------------------------------------------------------------------------------


def test_duplicate_json_members_are_refused_by_name(up):
    body = json.dumps(opencps(new_code()))
    p, _ = refused(up, body[:-1] + ', "serviceCode": "1.000656"}', 400, "json-duplicate-member", media=JSON)
    assert "serviceCode" in p["detail"] + p.get("field", "") + p.get("pointer", "")


def test_a_number_where_a_string_is_due_is_refused_with_its_pointer(up):
    p, _ = refused(up, opencps(new_code(), serviceCode=1.001193), 422, "json-schema", media=JSON)
    assert (p["field"], p["pointer"]) == ("serviceCode", "/serviceCode") and "expected string, got number" in p["detail"]


def test_a_number_deep_in_a_list_is_refused_with_its_pointer(up):
    p, _ = refused(up, opencps(new_code(), dossierFiles=[{"partType": 1, "displayName": "Tờ khai"}, {"partType": 1, "displayName": 7}]), 422, "json-schema",
                   media=JSON)
    assert p["pointer"] == "/dossierFiles/1/displayName"


def test_the_30th_of_february_of_a_leap_year_is_refused_with_its_line(up):
    body = xml(xml_item(new_code(), time="20240230083000", received="20240229083000"))
    p, _ = refused(up, body, 422, "bad-date")
    assert (p["field"], p["line"]) == ("time", 7) and p["pointer"].endswith("/SuKien/ThoiDiem") and "20240230083000" in p["detail"]


def test_the_30th_of_february_as_a_birthday_is_refused_with_its_pointer(up):
    p, _ = refused(up, opencps(new_code(), applicantBirthday="30/02/2024"), 422, "bad-date", media=JSON)
    assert (p["field"], p["pointer"]) == ("/CongDan/NgayThangNamSinh", "/applicantBirthday")


def test_the_29th_of_february_of_a_leap_year_is_a_date(up):
    code = new_code(unit="H22.01", day="240229")
    assert send(up, xml(xml_item(code, time="20240229083000", unit="H22.01"))).status == 202


def test_an_unknown_procedure_is_refused_with_its_place(up):
    p, _ = refused(up, xml(xml_item(new_code(), procedure="9.999999")), 422, "unknown-procedure")
    assert (p["field"], p["line"]) == ("procedure", 9) and "9.999999" in p["detail"]
    p, _ = refused(up, opencps(new_code(), serviceCode="9.999999"), 422, "unknown-procedure", media=JSON)
    assert p["pointer"] == "/serviceCode"


def test_an_unknown_unit_is_refused_with_its_place(up):
    p, _ = refused(up, xml(xml_item(new_code(), unit="H22.ZZ9")), 422, "unknown-unit")
    assert (p["field"], p["line"]) == ("unit", 8) and "H22.ZZ9" in p["detail"]
    p, _ = refused(up, opencps(new_code(), govAgencyCode="H22.ZZ9"), 422, "unknown-unit", media=JSON)
    assert p["pointer"] == "/govAgencyCode"


def test_a_unit_abolished_on_2025_07_01_still_sends_for_a_dossier_from_before(up):
    code = new_code(unit="000.00.31.H22", day="250620")
    answer = send(up, xml(xml_item(code, time="20250708083000", unit="000.00.31.H22", received="20250620083000")))
    assert answer.status == 202, answer
    (record,) = intake_of(up, code)
    assert record[3]["ce_unit"] == "H22.00847", "the successor at the event's time"
    assert (record[3]["ce_province"], record[2]) == ("H22", f"H22/{code}")
    assert json.loads(record[4])["HoSo"]["DonViXuLy"] == "Ủy ban nhân dân huyện Vị Xuyên"
    assert up.verdict("h22", answer.body["receipt"]) == "new"


def test_a_unit_abolished_on_2025_07_01_keeps_its_code_for_an_event_from_before(up):
    code = new_code(unit="000.00.31.H22", day="250620")
    assert send(up, xml(xml_item(code, time="20250620083000", unit="000.00.31.H22"))).status == 202
    (record,) = intake_of(up, code)
    assert record[3]["ce_unit"] == "000.00.31.H22"


def test_a_unit_abolished_on_2025_07_01_is_refused_for_a_dossier_from_after_naming_the_successor(up):
    code = new_code(unit="000.00.31.H22", day="250708")
    p, _ = refused(up, xml(xml_item(code, time="20250708083000", unit="000.00.31.H22")), 422, "unit-abolished")
    assert (p["field"], p["line"]) == ("unit", 8) and "H22.00847" in p["detail"] and "2025-07-01" in p["detail"]


def test_an_unknown_element_is_refused_with_its_line(up):
    p, _ = refused(up, xml(xml_item(new_code(), more="<GhiChuNoiBo>x</GhiChuNoiBo>")), 422, "xml-schema")
    assert (p["field"], p["line"], p["pointer"]) == ("GhiChuNoiBo", 13, "/SuKienHoSo/SuKien/GhiChuNoiBo")


def test_an_unknown_member_is_refused_with_its_pointer(up):
    p, _ = refused(up, opencps(new_code(), internalNote="x"), 422, "json-schema", media=JSON)
    assert (p["field"], p["pointer"]) == ("internalNote", "/internalNote")


def test_a_member_that_looks_like_a_header_of_ours_is_an_unknown_member(up):
    refused(up, opencps(new_code(), lt_digest="0" * 64), 422, "json-schema", media=JSON)


def test_a_missing_dossier_code_is_refused_by_name(up):
    p, _ = refused(up, opencps(None, registerNo=new_code()), 422, "json-schema", media=JSON)
    assert "dossierNo" in p["detail"]
    code = new_code()
    p, _ = refused(up, xml(xml_item(code).replace(f"<MaHoSo>{code}</MaHoSo>", "")), 422, "xml-schema")
    assert "MaHoSo" in p["detail"] and p["line"] == 7


# ---- batches ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body, media, status, code", [
    ("[]", JSON, 422, "empty-batch"),
    ("[ \n ]", JSON, 422, "empty-batch"),
    ("\n\n", NDJSON, 422, "empty-batch"),
    ('<SuKienHoSo xmlns="urn:motcua:su-kien:1"/>', XML, 422, "xml-schema"),
    ("", JSON, 400, "json-syntax"),
    ("", XML, 400, "xml-syntax"),
])
def test_an_empty_batch_is_refused_as_such(up, body, media, status, code):
    problem(send(up, body, media), status, code)
    assert letters(up, body)[-1][3]["lt_reason"] == code


def batch_in(dialect, *items):
    if dialect == "xml":
        return xml(*(xml_item(**i) for i in items)), XML
    documents = [opencps(i["code"], **({"serviceCode": i["procedure"]} if "procedure" in i else {}), dossierActions=[
        {"actionCode": "receive", "actionUser": "Sùng Thị Cán Bộ", "createDate": 1756776600000 + 60000 * n}]) for n, i in enumerate(items)]
    if dialect == "json":
        return json.dumps(documents, ensure_ascii=False), JSON
    return "\n".join(json.dumps(d, ensure_ascii=False) for d in documents) + "\n", NDJSON


@pytest.mark.parametrize("dialect", ["xml", "json", "ndjson"])
def test_a_batch_with_one_bad_item_is_answered_item_by_item(up, dialect):
    a, b, c = new_code(), new_code(), new_code()
    times = [f"2025090208300{n}" for n in range(5)]
    items = [{"code": a}, {"code": b, "procedure": "9.999999"}, {"code": c}, {"code": b}, {"code": a}]
    if dialect == "xml":
        items = [i | {"time": t} for i, t in zip(items, times)]
    answer = send(up, *batch_in(dialect, *items))
    assert answer.status == 200, answer
    got = answer.body["items"]
    assert [i["index"] for i in got] == [0, 1, 2, 3, 4]
    assert [i["status"] for i in got] == ["accepted", "refused", "accepted", "not-attempted", "accepted"]
    assert (got[1]["problem"]["status"], got[1]["problem"]["code"], got[1]["problem"]["field"]) == (422, "unknown-procedure", "procedure")
    assert "receipt" not in got[3] and "problem" not in got[3]
    assert len(intake_of(up, a)) == 2 and not intake_of(up, b) and len(intake_of(up, c)) == 1
    (letter,) = [r for r in up.deadletters.read() if b.encode() in r[4]]
    assert letter[3]["lt_reason"] == "unknown-procedure" and letter[3]["lt_position"] == "item 1" and a.encode() not in letter[4]
    assert [up.verdict("h22", got[i]["receipt"]) for i in (0, 2, 4)] == ["new"] * 3


def test_a_batch_with_one_item_against_the_schema_is_answered_item_by_item(up):
    a, b, c = new_code(), new_code(), new_code()
    answer = send(up, xml(xml_item(a), xml_item(b, more="<La>x</La>"), xml_item(c)))
    assert answer.status == 200, answer
    got = answer.body["items"]
    assert [i["status"] for i in got] == ["accepted", "refused", "accepted"]
    assert got[1]["problem"]["code"] == "xml-schema" and got[1]["problem"]["pointer"] == "/SuKienHoSo/SuKien[2]/La"


def test_a_batch_of_another_province_among_ours_is_refused_alone(up):
    mine, other = new_code(), new_code(unit="H40.13738")
    answer = send(up, xml(xml_item(mine), xml_item(other, unit="H40.13738")))
    assert [i["status"] for i in answer.body["items"]] == ["accepted", "refused"]
    assert answer.body["items"][1]["problem"]["code"] == "other-province"
    (entry,) = audited(up, code="other-province", subject=other)
    assert entry["actor"] == "h22"


def test_a_bad_envelope_refuses_the_whole_batch(up):
    p, _ = refused(up, xml(xml_item(new_code()), "<La/>", xml_item(new_code())), 422, "xml-schema")
    assert p["pointer"].endswith("/La")


def test_a_batch_above_its_limit_is_413(up):
    refused(up, "[" + ",".join(["{}"] * 1001) + "]", 413, "batch-too-large", media=JSON)


def test_a_large_refused_input_is_kept_with_its_digest_and_its_beginning(up):
    """Above the record limit (1 MiB) the dead letter has length, digest and the first 64 KiB."""
    body = xml(xml_item(new_code(), note="x" * (3 << 20)), "<La/>")
    _, headers = refused(up, body, 422, "xml-schema")
    (letter,) = letters(up, body)
    assert headers["lt_truncated"] == "true" and len(letter[4]) == 65536


def test_an_event_above_the_record_limit_is_413_and_kept(up):
    code = new_code()
    papers = [{"partType": 1, "displayName": "Tờ khai " + "x" * 3000} for _ in range(400)]
    p, headers = refused(up, opencps(code, dossierFiles=papers), 413, "record-too-large", media=JSON)
    assert headers["ce_subject"] == code and "attachments" in p["detail"]


# ---- what is counted ------------------------------------------------------------------------------------------------------------------


def test_every_refusal_is_counted_by_its_code(up):
    before = up.status()["ingest"]["refused"].get("unknown-unit", 0)
    refused(up, xml(xml_item(new_code(), unit="H22.ZZ8")), 422, "unknown-unit")
    assert up.status()["ingest"]["refused"]["unknown-unit"] == before + 1
    metrics = get(f"{up.admin}/metrics")[1].decode()
    assert f'lt_ingest_refused_total{{code="unknown-unit"}} {before + 1}' in metrics


def test_no_name_and_no_citizen_number_is_in_the_log(up):
    send(up, opencps(new_code(), internalNote="VÀNG THỊ MẪU"), JSON)
    send(up, xml(xml_item(new_code(), unit="H22.ZZ7")))
    log = up.gateway.log.read_text()
    assert "VÀNG" not in log and "002090000123" not in log and "H22.ZZ7" not in log
