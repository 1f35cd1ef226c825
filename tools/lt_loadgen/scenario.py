"""The life of one dossier as a list of facts (dialects.py), in order, times strictly increasing, all from one random generator."""
import datetime

from . import people
from .tables import REFORM

STATUS = {"received": "2", "rejected": "3", "progressed": "4", "supplement-requested": "5", "supplement-received": "4",
          "payment-requested": "6", "withdrawn": "7", "suspended": "8", "extended": "4", "completed": "9", "returned": "10"}
FIRST_DAY = datetime.date(2025, 4, 1)
DAYS = 480
REFORM_STAMP = REFORM.replace("-", "")
WHOLE_STAMP = "%Y%m%d%H%M%S"


def _path(rng, online):
    p = ["new", "received"] if online and rng.random() < 0.6 else ["received"]
    end = rng.random()
    if online and end < 0.06:
        return ["new", "rejected"]
    p.append("progressed")
    if end < 0.04:
        return p + ["withdrawn"]
    if rng.random() < 0.4:
        p += ["supplement-requested", "supplement-received"]
    if rng.random() < 0.15:
        p.append("payment-requested")
    p += ["progressed"] * rng.choice([0, 1, 1, 2])
    if rng.random() < 0.08:
        p.append("extended")
    if end < 0.08:
        p += ["suspended"]
        if rng.random() < 0.5:
            return p
        p.append("progressed")
    if end > 0.9:
        return p                      # still open
    p.append("completed")
    return p + ["returned"] if rng.random() < 0.85 else p


def _office_hours(rng, day):
    while day.weekday() >= 5:
        day += datetime.timedelta(days=1)
    minute = rng.choice([rng.randint(0, 269), rng.randint(390, 599)])    # 7:00-11:30, 13:30-17:00
    return datetime.datetime.combine(day, datetime.time(7, 0, rng.randint(0, 59))) + datetime.timedelta(minutes=minute)


def _later(rng, t, days):
    n = _office_hours(rng, (t + datetime.timedelta(days=days)).date())
    return n if n > t else t + datetime.timedelta(minutes=rng.randint(1, 50), seconds=rng.randint(1, 59))


def _stamp(t):
    return t.strftime(WHOLE_STAMP)


def _files(rng, code, n):
    out = []
    for i in range(n):
        ten, part = rng.choice(people.GIAY_TO)
        x = {"TepDinhKemId": f"{code}-T{i + 1}", "TenTepDinhKem": f"{ten}.pdf", "IsDeleted": "False", "MaThanhPhanHoSo": part,
             "DuongDanTaiTepTin": f"https://tep.motcua.example/{code}/{i + 1}.pdf"}
        if rng.random() < 0.5:
            x["DuocSoHoa"] = rng.choice("01")
            x["DuocTaiSuDung"] = rng.choice("012")
        out.append(x)
    return out


def dossier(rng, tables, province, number, seen, source):
    """(facts of every event, applicant or None)."""
    first = FIRST_DAY + datetime.timedelta(days=rng.randrange(DAYS))
    if rng.random() < 0.12:
        first = datetime.date(2025, 6, rng.randint(10, 30))             # open on the day the districts end
    filed = _office_hours(rng, first)
    day = filed.strftime("%Y-%m-%d")
    levels = ["department"] if rng.random() < 0.3 else ["district", "commune"]
    unit = rng.choice(tables.units_of(province, day, levels))
    channel = rng.choices("123", [50, 38, 12])[0]
    national = rng.choice(tables.national)
    procedure = national if rng.random() < 0.3 else f"{national}.000.00.00.{province}"
    code = f"{unit}-{filed.strftime('%y%m%d')}-{number:04d}"
    citizen = people.citizen(rng, seen) if rng.random() < 0.88 else None
    owner = citizen["HoVaTen"] if citizen else rng.choice(people.DOANH_NGHIEP).format(number)
    desk = {"MaCanBo": f"cb{rng.randint(1, 99):02d}.{province.lower()}", "MaDonVi": unit}
    name = tables.procedures[procedure]["name"]
    h = {"SoBienNhan": f"BN{number:06d}", "ChuHoSo": owner, "LoaiDoiTuong": "1" if citizen else "2",
         "TrichYeuHoSo": f"{name} - {owner}", "HinhThuc": "1" if channel == "3" or rng.random() < 0.1 else "0",
         "SoGiayToChuHoSo": citizen["SoDinhDanh"] if citizen else f"{rng.randint(10**9, 10**10 - 1)}",
         "SoDienThoai": f"09{rng.randint(0, 99999999):08d}", "NgayTiepNhan": _stamp(filed), "NgayNopHoSo": _stamp(filed)}
    if rng.random() < 0.4:
        h["Email"] = f"congdan{number}@thu.example"
    if rng.random() < 0.2:
        h["GhiChu"] = rng.choice(people.GHI_CHU)
    if rng.random() < 0.03:
        h["TrichYeuHoSo"] += " " + "nội dung rất dài, " * 70            # over 1000 characters: truncated in sight
    if channel == "2":
        h["TaiKhoanDuocXacThucVoiVNeID"] = rng.choice("01")
    due = _later(rng, filed, rng.randint(3, 20))
    if rng.random() < 0.9:
        h["NgayHenTra"] = _stamp(due)
    h["TaiLieuNop"] = _files(rng, code, rng.choice([0, 1, 1, 2, 3]))
    if rng.random() < 0.3:
        h["DanhSachTepDinhKemKhac"] = [{"TenGiayTo": "Sổ hộ khẩu bản giấy", "SoLuong": str(rng.randint(1, 3)), "LoaiGiayTo": "BAN_SAO"}]
    if rng.random() < 0.5:
        h["DanhSachLePhi"] = [{"MaPhiLePhi": "LP01", "TenPhiLePhi": "Lệ phí giải quyết hồ sơ", "LoaiPhiLePhi": "2", "HinhThucThu": rng.choice("14"),
                               "Gia": str(rng.choice([8000, 50000, 150000, 500000]))}]
        h["DuocThanhToanTrucTuyen"] = rng.choice("012")
    out, now, began = [], filed, filed
    for i, step in enumerate(_path(rng, channel == "2")):
        if i:
            began, now = now, _later(rng, now, rng.choice([0, 0, 1, 1, 2, 3]))
        word = "received" if step == "new" else step
        status = "1" if step == "new" else STATUS[step]
        stamp = _stamp(now)
        h["TrangThaiHoSo"] = status
        if step == "received" and not (h["NgayTiepNhan"][:8] < REFORM_STAMP <= stamp[:8]):
            h["NgayTiepNhan"] = stamp     # across the reform the day of filing stays: a unit that has ended receives nothing
        elif step == "rejected":
            h["NgayTuChoi"] = stamp
        elif step == "supplement-requested":
            h["DanhSachHoSoBoSung"] = h.get("DanhSachHoSoBoSung", []) + [{
                "HoSoBoSungId": f"BS{number}-{i}", "NguoiYeuCauBoSung": people.officer(rng), "NoiDungBoSung": rng.choice(people.NOI_DUNG[step]),
                "NgayBoSung": stamp, "TrangThaiBoSung": "False",
                "DanhSachGiayToBoSung": [{"TenGiayTo": rng.choice(people.GIAY_TO)[0], "SoLuong": "1", "LoaiGiayTo": "BAN_CHINH"}]}]
        elif step == "supplement-received":
            last = {**h["DanhSachHoSoBoSung"][-1], "NguoiTiepNhanBoSung": people.officer(rng), "NgayTiepNhanBoSung": stamp,
                    "TrangThaiBoSung": "True"}
            if "NgayHenTra" in h:
                last["NgayHenTraTruoc"] = h["NgayHenTra"]
                h["NgayHenTra"] = last["NgayHenTraMoi"] = _stamp(_later(rng, now, 5))
            h["DanhSachHoSoBoSung"] = h["DanhSachHoSoBoSung"][:-1] + [last]
            h["TaiLieuNop"] = h["TaiLieuNop"] + _files(rng, f"{code}-BS{i}", 1)
        elif step == "extended":
            h["NgayHenTra"] = _stamp(_later(rng, now, 7))
        elif step == "completed":
            h["NgayKetThucXuLy"] = stamp
            h["DanhSachGiayToKetQua"] = [{"GiayToId": f"{code}-K1", "TenGiayTo": f"Kết quả: {name}", "MaThanhPhanHoSo": "KQ01",
                                          "DuongDanTepTinKetQua": f"https://tep.motcua.example/{code}/ket-qua.pdf",
                                          "MaGiayToKetQua": f"KQ.{national}"}]
        elif step == "returned":
            h["NgayTra"] = stamp
        row = {"NguoiXuLy": people.officer(rng), "ThoiDiemXuLy": stamp, "TrangThai": status, "NgayBatDau": _stamp(began),
               "NoiDungXuLy": rng.choice(people.NOI_DUNG[word]), "PhongBanXuLy": rng.choice(people.PHONG_BAN)}
        if rng.random() < 0.7:
            row["ChucDanh"] = rng.choice(people.CHUC_DANH)
        if rng.random() < 0.3:
            row["NgayKetThucTheoQuyDinh"] = _stamp(due)
        f = {"source": source, "type": word, "MaHoSo": code, "time": stamp, "unit": unit, "procedure": procedure, "channel": channel,
             "TienDo": row, "CanBo": desk}
        if word != "progressed" or rng.random() < 0.6:
            f["HoSo"] = dict(h)
            if citizen:
                f["CongDan"] = dict(citizen)
        out.append(f)
    return out, citizen
