"""What the gateway must make of facts: the canonical data (schemas/canonical), written independently of the mappings."""

LIMITS = {"TrichYeuHoSo": 1000, "GhiChu": 2000}
ORDER = ["HoSo", "TienDo", "CongDan", "CanBo"]


def _day(stamp):
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}"


def tien_do(f):
    t = f.get("TienDo")
    if not t:
        return None
    row = {"MaHoSo": f["MaHoSo"], **t}
    row["NguoiXuLy"] = row["NguoiXuLy"][:50]
    if "NoiDungXuLy" in row:
        row["NoiDungXuLy"] = row["NoiDungXuLy"][:2000]
    return row


def ho_so(f, tables):
    h = f.get("HoSo")
    if not h:
        return None
    p = tables.procedures[f["procedure"]]
    out = {"MaHoSo": f["MaHoSo"], "MaTTHC": p["value"], "TenTTHC": p["name"], "MaLinhVuc": p["linh-vuc"], "TenLinhVuc": p["linh-vuc-name"],
           "KenhThucHien": f["channel"], "DonViXuLy": tables.unit(f["unit"], _day(f["time"]))["name"], "NoiNopHoSo": "2",
           "HinhThuc": "0", "TaiLieuNop": [], "DanhSachLePhi": [], "DanhSachTepDinhKemKhac": [], "DanhSachHoSoBoSung": [],
           "DanhSachGiayToKetQua": [], **h}
    for field, limit in LIMITS.items():
        if field in out:
            out[field] = out[field][:limit].strip()
    out["TaiLieuNop"] = [{"IsDeleted": "False", **x} for x in out["TaiLieuNop"]]
    out["DanhSachHoSoBoSung"] = [{"DanhSachGiayToBoSung": [], **x} for x in out["DanhSachHoSoBoSung"]]
    c = f.get("CongDan")
    out["DinhDanhCHS"] = [{"LoaiDinhDanh": "1", "SoDinhDanh": c["SoDinhDanh"]}] if c else []
    return out


def data(f, tables, dialect="onegate-xml"):
    out = {"HoSo": ho_so(f, tables), "TienDo": tien_do(f), "CongDan": f.get("CongDan"), "CanBo": f.get("CanBo")}
    # A list is written whenever it is not left out by `if`: the JSON dialects leave DinhDanhCHS out for a company.
    if out["HoSo"] and not out["HoSo"]["DinhDanhCHS"] and dialect != "onegate-xml":
        del out["HoSo"]["DinhDanhCHS"]
    return {k: out[k] for k in ORDER if out[k]}


def event(f, tables, dialect="onegate-xml"):
    """The form of `lienthong explain --json` and of the mappings' examples."""
    t = f["time"]
    unit = tables.unit(f["unit"], _day(t))
    province = f["unit"][:3] if f["unit"][0].isalpha() else f["unit"][-3:]
    return {"type": f["type"], "source": f["source"], "subject": f["MaHoSo"],
            "time": f"{t[:4]}-{t[4:6]}-{t[6:8]}T{t[8:10]}:{t[10:12]}:{t[12:14]}.000+07:00", "province": province,
            "unit": unit["successor"] if unit.get("to", "9999") <= _day(t) else f["unit"],
            "procedure": tables.procedures[f["procedure"]]["value"], "channel": f["channel"], "data": data(f, tables, dialect)}
