"""
Facts -> one event in a dialect. Facts are a dict in canonical words (the normal form of docs/mapping-language.md):
    source, type, MaHoSo, time (yyyyMMddHHmmss), unit, procedure, channel, HoSo?, TienDo?, CongDan?, CanBo?
and every dialect writes all of them, so that the same facts are the same event whatever the dialect.
"""
import datetime
import json
from xml.sax.saxutils import escape

NS = "urn:motcua:su-kien:1"
VN = datetime.timezone(datetime.timedelta(hours=7))
WORDS = ["received", "rejected", "progressed", "supplement-requested", "supplement-received", "payment-requested", "withdrawn",
         "suspended", "extended", "completed", "returned"]
MEDIA = {"onegate-xml": "application/xml", "opencps-json": "application/json", "igate-json": "application/json"}


def at(stamp):
    return datetime.datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=VN)


def epoch_ms(stamp):
    return int(at(stamp).timestamp()) * 1000


# ---- onegate-xml ---------------------------------------------------------------------------------------------------------

SU_KIEN = dict(zip(WORDS, ["TIEP_NHAN", "TU_CHOI", "XU_LY", "YEU_CAU_BO_SUNG", "NHAN_BO_SUNG", "YEU_CAU_NOP_PHI", "RUT_HO_SO",
                           "DUNG_XU_LY", "GIA_HAN", "HOAN_THANH", "TRA_KET_QUA"]))
KENH = {"1": "TRUC_TIEP", "2": "TRUC_TUYEN", "3": "BUU_CHINH"}
DOI_TUONG = {"1": "CONG_DAN", "2": "DOANH_NGHIEP", "3": "CO_QUAN", "4": "TO_CHUC"}
BOOL = {"True": "1", "False": "0"}


def _papers(rows):
    return [("GiayTo", [("Ten", g["TenGiayTo"]), ("SoLuong", g.get("SoLuong")), ("Loai", g.get("LoaiGiayTo"))]) for g in rows]


def _xml_hoso(h):
    out = [("SoBienNhan", h.get("SoBienNhan")), ("ChuHoSo", h["ChuHoSo"]), ("LoaiDoiTuong", DOI_TUONG[h["LoaiDoiTuong"]]),
           ("SoGiayTo", h.get("SoGiayToChuHoSo")), ("Email", h.get("Email")), ("DienThoai", h.get("SoDienThoai")),
           ("TrichYeu", h.get("TrichYeuHoSo")), ("TrangThai", h["TrangThaiHoSo"]), ("NgayNop", h.get("NgayNopHoSo")),
           ("NgayTiepNhan", h["NgayTiepNhan"]), ("NgayHenTra", h.get("NgayHenTra")), ("NgayKetThuc", h.get("NgayKetThucXuLy")),
           ("NgayTra", h.get("NgayTra")), ("NgayTuChoi", h.get("NgayTuChoi")),
           ("NhanKetQua", {"0": "TAI_CHO", "1": "BUU_CHINH", None: None}[h.get("HinhThuc")]),
           ("ThanhToanTrucTuyen", h.get("DuocThanhToanTrucTuyen")), ("VNeID", h.get("TaiKhoanDuocXacThucVoiVNeID")),
           ("GhiChu", h.get("GhiChu"))]
    if h.get("TaiLieuNop"):
        out.append(("TaiLieu", [("Tep", [
            ("Ma", t.get("TepDinhKemId")), ("Ten", t["TenTepDinhKem"]), ("Url", t.get("DuongDanTaiTepTin")),
            ("ThanhPhan", t.get("MaThanhPhanHoSo")), ("DaXoa", BOOL.get(t.get("IsDeleted"))), ("SoHoa", t.get("DuocSoHoa")),
            ("TaiSuDung", t.get("DuocTaiSuDung")), ("TuKhoDMQG", t.get("DuocLayTuKhoDMQG"))]) for t in h["TaiLieuNop"]]))
    if h.get("DanhSachLePhi"):
        out.append(("LePhi", [("Khoan", [
            ("Ma", p.get("MaPhiLePhi")), ("Ten", p["TenPhiLePhi"]), ("Loai", {"1": "PHI", "2": "LE_PHI"}[p["LoaiPhiLePhi"]]),
            ("ThuKhi", {"1": "NOP", "2": "BO_SUNG", "4": "TRA", None: None}[p.get("HinhThucThu")]), ("SoTien", p["Gia"])])
            for p in h["DanhSachLePhi"]]))
    if h.get("DanhSachTepDinhKemKhac"):
        out.append(("GiayToKhac", _papers(h["DanhSachTepDinhKemKhac"])))
    if h.get("DanhSachHoSoBoSung"):
        out.append(("BoSung", [("Lan", [
            ("Ma", b.get("HoSoBoSungId")), ("NguoiYeuCau", b.get("NguoiYeuCauBoSung")), ("NoiDung", b.get("NoiDungBoSung")),
            ("NgayYeuCau", b["NgayBoSung"]), ("NguoiNhan", b.get("NguoiTiepNhanBoSung")), ("ThongTinNhan", b.get("ThongTinTiepNhan")),
            ("NgayNhan", b.get("NgayTiepNhanBoSung")), ("DaBoSung", BOOL.get(b.get("TrangThaiBoSung")))]
            + _papers(b.get("DanhSachGiayToBoSung", []))
            + [("HenTraTruoc", b.get("NgayHenTraTruoc")), ("HenTraMoi", b.get("NgayHenTraMoi"))]) for b in h["DanhSachHoSoBoSung"]]))
    if h.get("DanhSachGiayToKetQua"):
        out.append(("KetQua", [("Tep", [
            ("Ma", k.get("GiayToId")), ("Ten", k["TenGiayTo"]), ("Url", k.get("DuongDanTepTinKetQua")),
            ("ThanhPhan", k.get("MaThanhPhanHoSo")), ("MaKetQua", k.get("MaGiayToKetQua"))]) for k in h["DanhSachGiayToKetQua"]]))
    return out


def onegate_tree(f):
    out = [("HeThong", f["source"]), ("LoaiSuKien", SU_KIEN[f["type"]]), ("MaHoSo", f["MaHoSo"]), ("ThoiDiem", f["time"]),
           ("MaDonVi", f["unit"]), ("MaTTHC", f["procedure"]), ("Kenh", KENH[f["channel"]])]
    if f.get("HoSo"):
        out.append(("HoSo", _xml_hoso(f["HoSo"])))
    if f.get("TienDo"):
        t = f["TienDo"]
        out.append(("TienDo", [
            ("NguoiXuLy", t["NguoiXuLy"]), ("ChucDanh", t.get("ChucDanh")), ("PhongBan", t.get("PhongBanXuLy")),
            ("ThoiDiem", t["ThoiDiemXuLy"]), ("NoiDung", t.get("NoiDungXuLy")), ("TrangThai", t["TrangThai"]),
            ("BatDau", t.get("NgayBatDau")), ("HanXuLy", t.get("NgayKetThucTheoQuyDinh"))]))
    if f.get("CongDan"):
        c = f["CongDan"]
        out.append(("CongDan", [("SoDinhDanh", c["SoDinhDanh"]), ("HoVaTen", c["HoVaTen"]), ("NgaySinh", c.get("NgayThangNamSinh"))]))
    if f.get("CanBo"):
        out.append(("CanBo", [("Ma", f["CanBo"]["MaCanBo"]), ("DonVi", f["CanBo"].get("MaDonVi"))]))
    return ("SuKien", out)


def _xml(node, prefix, indent, level):
    name, value = node
    if value is None:
        return ""
    pad, end = ("", "") if indent is None else ("\n" + " " * indent * level, "\n" + " " * indent * level)
    if isinstance(value, str):
        text = f"<![CDATA[{value}]]>" if prefix and "&" in value and "]]>" not in value else escape(value)
        return f"{pad}<{prefix}{name}>{text}</{prefix}{name}>"
    return f"{pad}<{prefix}{name}>" + "".join(_xml(c, prefix, indent, level + 1) for c in value) + f"{end}</{prefix}{name}>"


def onegate_text(trees, indent=2, prefix=""):
    """A whole envelope; indent None: no white space; prefix "s:" instead of the default namespace: another spelling, same content."""
    ns = f'xmlns:{prefix[:-1]}="{NS}"' if prefix else f'xmlns="{NS}"'
    items = "".join(_xml(t, prefix, indent, 1) for t in trees)
    nl = "" if indent is None else "\n"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{prefix}SuKienHoSo {ns}>{items}{nl}</{prefix}SuKienHoSo>\n'


# ---- opencps-json --------------------------------------------------------------------------------------------------------

ACTION = dict(zip(WORDS, ["receive", "deny", "process", "request-supplement", "receive-supplement", "request-payment", "cancel",
                          "pause", "extend", "release", "return"]))
OC_STATUS = {"1": ("new", None), "2": ("receiving", "received"), "3": ("denied", None), "4": ("processing", None),
             "5": ("waiting", None), "6": ("processing", "payment"), "7": ("cancelling", None), "8": ("pausing", None),
             "9": ("releasing", "released"), "10": ("done", "returned")}
FLAG = {"1": True, "0": False, None: None}
TRUE = {"True": True, "False": False, None: None}


def prune(v):
    if isinstance(v, dict):
        return {k: prune(x) for k, x in v.items() if x is not None}
    if isinstance(v, list):
        return [prune(x) for x in v]
    return v


def _ms(stamp):
    return epoch_ms(stamp) if stamp else None


def _int(v):
    return None if v is None else int(v)


def _dmy(d):
    return None if d is None else d if len(d) == 4 else f"{d[6:8]}/{d[4:6]}/{d[:4]}"


def opencps(f):
    h, t = f.get("HoSo"), f.get("TienDo")
    state = (h or {}).get("TrangThaiHoSo") or t["TrangThai"]
    status, sub = OC_STATUS[state]
    d = {"systemCode": f["source"], "dossierNo": f["MaHoSo"], "serviceCode": f["procedure"], "govAgencyCode": f["unit"],
         "originality": {"1": 3, "2": 1, "3": 3}[f["channel"]], "fromViaPostal": True if f["channel"] == "3" else None,
         "online": f["channel"] == "2", "dossierStatus": status, "dossierSubStatus": sub}
    if h:
        c = f.get("CongDan") or {}
        d.update({
            "registerNo": h.get("SoBienNhan"), "applicantName": h["ChuHoSo"],
            "applicantIdType": {"1": "citizen", "2": "business"}[h["LoaiDoiTuong"]], "applicantIdNo": h.get("SoGiayToChuHoSo"),
            "applicantBirthday": _dmy(c.get("NgayThangNamSinh")), "contactEmail": h.get("Email"), "contactTelNo": h.get("SoDienThoai"),
            "briefNote": h.get("TrichYeuHoSo"), "dossierNote": h.get("GhiChu"),
            "viaPostal": {"0": 1, "1": 2, None: None}[h.get("HinhThuc")], "vneidVerified": FLAG[h.get("TaiKhoanDuocXacThucVoiVNeID")],
            "paymentMethod": {"0": "Cash", "1": "PayPlatDVCQG", "2": "Paygov", None: None}[h.get("DuocThanhToanTrucTuyen")],
            "submitDate": _ms(h.get("NgayNopHoSo")), "receiveDate": _ms(h["NgayTiepNhan"]), "dueDate": _ms(h.get("NgayHenTra")),
            "releaseDate": _ms(h.get("NgayKetThucXuLy")), "finishDate": _ms(h.get("NgayTra")), "deniedDate": _ms(h.get("NgayTuChoi")),
            "dossierFiles": [
                {"referenceUid": x.get("TepDinhKemId"), "dossierPartNo": x.get("MaThanhPhanHoSo"), "partType": 1,
                 "displayName": x["TenTepDinhKem"], "fileUrl": x.get("DuongDanTaiTepTin"), "removed": TRUE[x.get("IsDeleted")],
                 "digitized": FLAG[x.get("DuocSoHoa")], "reuse": _int(x.get("DuocTaiSuDung")), "fromStore": FLAG[x.get("DuocLayTuKhoDMQG")]}
                for x in h.get("TaiLieuNop", [])] + [
                {"referenceUid": x.get("GiayToId"), "dossierPartNo": x.get("MaThanhPhanHoSo"), "partType": 2, "displayName": x["TenGiayTo"],
                 "fileUrl": x.get("DuongDanTepTinKetQua"), "deliverableCode": x.get("MaGiayToKetQua")}
                for x in h.get("DanhSachGiayToKetQua", [])],
            "paymentFees": [
                {"feeCode": x.get("MaPhiLePhi"), "feeName": x["TenPhiLePhi"], "feeType": {"1": "fee", "2": "charge"}[x["LoaiPhiLePhi"]],
                 "amount": int(x["Gia"]), "collectOn": {"1": "submit", "2": "supplement", "4": "return", None: None}[x.get("HinhThucThu")]}
                for x in h.get("DanhSachLePhi", [])],
            "papers": _oc_papers(h.get("DanhSachTepDinhKemKhac", [])),
            "supplementaries": [
                {"id": x.get("HoSoBoSungId"), "requester": x.get("NguoiYeuCauBoSung"), "content": x.get("NoiDungBoSung"),
                 "requestDate": _ms(x["NgayBoSung"]), "receiver": x.get("NguoiTiepNhanBoSung"), "receiveInfo": x.get("ThongTinTiepNhan"),
                 "receiveDate": _ms(x.get("NgayTiepNhanBoSung")), "completed": TRUE[x.get("TrangThaiBoSung")],
                 "papers": _oc_papers(x.get("DanhSachGiayToBoSung", [])), "oldDateAppointed": _ms(x.get("NgayHenTraTruoc")),
                 "newDateAppointed": _ms(x.get("NgayHenTraMoi"))} for x in h.get("DanhSachHoSoBoSung", [])]})
    d["dossierActions"] = [{
        "actionCode": ACTION[f["type"]], "actionUser": t["NguoiXuLy"], "actionUserId": (f.get("CanBo") or {}).get("MaCanBo"),
        "jobPosition": t.get("ChucDanh"), "department": t.get("PhongBanXuLy"), "actionNote": t.get("NoiDungXuLy"),
        "createDate": epoch_ms(t["ThoiDiemXuLy"]), "startDate": _ms(t.get("NgayBatDau")), "dueDate": _ms(t.get("NgayKetThucTheoQuyDinh"))}]
    return prune(d)


def _oc_papers(rows):
    return [{"paperName": g["TenGiayTo"], "amount": _int(g.get("SoLuong")), "paperType": g.get("LoaiGiayTo")} for g in rows]


# ---- igate-json ----------------------------------------------------------------------------------------------------------

IG_STATUS = {"1": 0, "2": 8, "3": 12, "4": 2, "5": 1, "6": 7, "7": 6, "8": 3, "9": 4, "10": 5}


def _translate(vi, en=None):
    rows = [{"languageId": 46, "name": en}] if en else []
    return rows + [{"languageId": 228, "name": vi}]


def _ig_date(stamp, form):
    """form 0: +07:00 with milliseconds, 1: UTC, 2: epoch milliseconds."""
    if not stamp:
        return None
    if form == 2:
        return epoch_ms(stamp)
    t = at(stamp)
    if form == 1:
        return t.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return t.strftime("%Y-%m-%dT%H:%M:%S.000+07:00")


def igate(f, form=0, procedure_name=None):
    h, t = f.get("HoSo"), f.get("TienDo")
    state = (h or {}).get("TrangThaiHoSo") or t["TrangThai"]
    num = WORDS.index(f["type"]) + 1

    def day(s):
        return _ig_date(s, form)

    unit, local = f["unit"], (h or {}).get("SoBienNhan") or "BN-" + f["MaHoSo"]
    d = {"deployment": {"code": f["source"]}, "code": local, "nationCode": f["MaHoSo"],
         "procedure": {"code": f["procedure"], "translate": _translate(procedure_name or f["procedure"], "Administrative procedure")},
         "agency": {"code": unit, "parent": {"code": unit[:3] if unit[0] == "H" else "000.00.00." + unit[-3:]}},
         "applyMethod": {"id": int(f["channel"]) - 1}, "dossierStatus": IG_STATUS[state],
         "dossierTaskStatus": {"id": num, "name": _translate(f["type"])}}
    if h:
        c = f.get("CongDan") or {}
        born = c.get("NgayThangNamSinh")
        d["applicant"] = {"data": {
            "fullname": h["ChuHoSo"], "identityNumber": h.get("SoGiayToChuHoSo"),
            "birthday": born if not born or len(born) == 4 else f"{born[:4]}-{born[4:6]}-{born[6:]}",
            "phoneNumber": h.get("SoDienThoai"), "email": h.get("Email"), "applicantType": {"1": 0, "2": 1}[h["LoaiDoiTuong"]],
            "vneid": FLAG[h.get("TaiKhoanDuocXacThucVoiVNeID")]}}
        d.update({
            "dossierReceivingKind": {"id": int(h["HinhThuc"])} if "HinhThuc" in h else None,
            "paymentMethod": {"id": int(h["DuocThanhToanTrucTuyen"])} if "DuocThanhToanTrucTuyen" in h else None,
            "summary": h.get("TrichYeuHoSo"), "note": h.get("GhiChu"), "appliedDate": day(h.get("NgayNopHoSo")),
            "acceptedDate": day(h["NgayTiepNhan"]), "appointmentDate": day(h.get("NgayHenTra")),
            "completedDate": day(h.get("NgayKetThucXuLy")), "returnedDate": day(h.get("NgayTra")), "rejectedDate": day(h.get("NgayTuChoi"))})
        forms = []
        for x in h.get("TaiLieuNop", []):
            head = {"procedureForm": {"code": x["MaThanhPhanHoSo"]} if "MaThanhPhanHoSo" in x else None, "removed": TRUE[x.get("IsDeleted")],
                    "digitized": FLAG[x.get("DuocSoHoa")], "reuse": _int(x.get("DuocTaiSuDung")), "fromStore": FLAG[x.get("DuocLayTuKhoDMQG")]}
            if not forms or {k: forms[-1][k] for k in head} != head:
                forms.append({**head, "file": []})
            forms[-1]["file"].append({"id": x.get("TepDinhKemId"), "filename": x["TenTepDinhKem"], "url": x.get("DuongDanTaiTepTin")})
        d["dossierFormFile"] = forms
        d["dossierFee"] = [{"id": x.get("MaPhiLePhi"), "procost": {"type": {"type": int(x["LoaiPhiLePhi"]), "name": x["TenPhiLePhi"]}},
                            "amount": int(x["Gia"]), "collectOn": _int(x.get("HinhThucThu"))} for x in h.get("DanhSachLePhi", [])]
        d["paper"] = _ig_papers(h.get("DanhSachTepDinhKemKhac", []))
        d["supplement"] = [
            {"id": x.get("HoSoBoSungId"), "requester": x.get("NguoiYeuCauBoSung"), "content": x.get("NoiDungBoSung"),
             "requestedDate": day(x["NgayBoSung"]), "receiver": x.get("NguoiTiepNhanBoSung"), "receivedContent": x.get("ThongTinTiepNhan"),
             "receivedDate": day(x.get("NgayTiepNhanBoSung")), "done": TRUE[x.get("TrangThaiBoSung")],
             "paper": _ig_papers(x.get("DanhSachGiayToBoSung", [])), "oldAppointmentDate": day(x.get("NgayHenTraTruoc")),
             "newAppointmentDate": day(x.get("NgayHenTraMoi"))} for x in h.get("DanhSachHoSoBoSung", [])]
        d["attachment"] = [{"id": x.get("GiayToId"), "filename": x["TenGiayTo"], "url": x.get("DuongDanTepTinKetQua"),
                            "formCode": x.get("MaThanhPhanHoSo"), "resultCode": x.get("MaGiayToKetQua")}
                           for x in h.get("DanhSachGiayToKetQua", [])]
    b = f.get("CanBo") or {}
    d["task"] = {
        "assignee": {"account": b.get("MaCanBo"), "agencyCode": b.get("MaDonVi"), "fullname": t["NguoiXuLy"],
                     "position": _translate(t["ChucDanh"]) if t.get("ChucDanh") else None},
        "department": {"name": _translate(t["PhongBanXuLy"])} if t.get("PhongBanXuLy") else None, "comment": t.get("NoiDungXuLy"),
        "assignedDate": day(t.get("NgayBatDau")), "completedDate": day(t["ThoiDiemXuLy"]), "dueDate": day(t.get("NgayKetThucTheoQuyDinh"))}
    return prune(d)


def _ig_papers(rows):
    return [{"name": g["TenGiayTo"], "quantity": _int(g.get("SoLuong")), "typeName": g.get("LoaiGiayTo")} for g in rows]


# ---- any dialect ---------------------------------------------------------------------------------------------------------

def build(dialect, facts, form=0, tables=None):
    """The dialect's own tree of one event, for mutation and writing."""
    if dialect == "onegate-xml":
        return onegate_tree(facts)
    if dialect == "opencps-json":
        return opencps(facts)
    name = tables.procedures[facts["procedure"]]["name"] if tables and facts["procedure"] in tables.procedures else None
    return igate(facts, form, name)


def _shuffled(rng, v):
    if isinstance(v, dict):
        keys = list(v)
        rng.shuffle(keys)
        return {k: _shuffled(rng, v[k]) for k in keys}
    if isinstance(v, list):
        return [_shuffled(rng, x) for x in v]
    return v


def write(dialect, trees, rng=None, lines=False):
    """(media type, text) of one sending of one or more events; rng: another spelling with the same content."""
    if dialect == "onegate-xml":
        if rng is None:
            return MEDIA[dialect], onegate_text(trees)
        return MEDIA[dialect], onegate_text(trees, rng.choice([None, 1, 4]), rng.choice(["s:", "sk:", ""]))
    if rng is not None:
        trees = _shuffled(rng, trees)
    if lines:
        return "application/x-ndjson", "".join(json.dumps(t, ensure_ascii=False, separators=(",", ":")) + "\n" for t in trees)
    value = trees[0] if len(trees) == 1 else trees
    if rng is None:
        return MEDIA[dialect], json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return MEDIA[dialect], json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice([1, 2, 4]))
