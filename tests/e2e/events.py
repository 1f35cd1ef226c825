"""Small events of one dossier in the shipped dialects, each under a number of its own, for tests that send them one by one."""

import copy
import itertools
import os
import time

_numbers = itertools.count(time.time_ns() // 1000 % 10**9 * 100 + os.getpid() % 100)

XML, JSON, NDJSON = "application/xml", "application/json", "application/x-ndjson"


def new_code(unit="H22.00847", day="250902"):
    return f"{unit}-{day}-{next(_numbers)}"


def xml_item(code, time="20250902083000", unit="H22.00847", procedure="1.001193.000.00.00.H22", received=None, note="Tiếp nhận hồ sơ", more=""):
    """One received event as the element that stands in an envelope; `more` comes before its end."""
    return f"""<SuKien>
  <HeThong>motcua.h22</HeThong>
  <LoaiSuKien>TIEP_NHAN</LoaiSuKien>
  <MaHoSo>{code}</MaHoSo>
  <ThoiDiem>{time}</ThoiDiem>
  <MaDonVi>{unit}</MaDonVi>
  <MaTTHC>{procedure}</MaTTHC>
  <Kenh>TRUC_TUYEN</Kenh>
  <HoSo><ChuHoSo>VÀNG THỊ MẪU</ChuHoSo><LoaiDoiTuong>CONG_DAN</LoaiDoiTuong><TrangThai>2</TrangThai><NgayTiepNhan>{received or time}</NgayTiepNhan></HoSo>
  <TienDo><NguoiXuLy>Sùng Thị Cán Bộ</NguoiXuLy><ThoiDiem>{time}</ThoiDiem><NoiDung>{note}</NoiDung><TrangThai>2</TrangThai></TienDo>
  {more}</SuKien>"""


def xml(*items, head='<?xml version="1.0" encoding="UTF-8"?>\n'):
    return f'{head}<SuKienHoSo xmlns="urn:motcua:su-kien:1">\n' + "\n".join(items) + "\n</SuKienHoSo>\n"


_OPENCPS = {
    "systemCode": "motcua.h22", "dossierNo": "", "serviceCode": "1.001193.000.00.00.H22", "govAgencyCode": "H22.00847", "originality": 1,
    "dossierStatus": "receiving", "dossierSubStatus": "received", "applicantName": "VÀNG THỊ MẪU", "applicantIdType": "citizen",
    "applicantIdNo": "002090000123", "receiveDate": 1756776600000,
    "dossierActions": [{"actionCode": "receive", "actionUser": "Sùng Thị Cán Bộ", "actionNote": "Tiếp nhận hồ sơ", "createDate": 1756776600000}],
}


def opencps(code, **changes):
    """The same received event in the OpenCPS-like dialect; None takes a member away."""
    document = copy.deepcopy(_OPENCPS) | {"dossierNo": code} | changes
    return {k: v for k, v in document.items() if v is not None}
