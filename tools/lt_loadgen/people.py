"""Synthetic citizens, officers and texts. Every person is made of lists by the seed; none is anybody."""

HO = ["Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương", "Lý",
      "Vàng", "Giàng", "Sùng", "Lò", "Nông", "Triệu"]
DEM_NAM = ["Văn", "Đức", "Minh", "Hữu", "Quốc", "Thanh", "Xuân", "Mí", "Seo", "Ngọc"]
DEM_NU = ["Thị", "Thu", "Ngọc", "Thúy", "Bích", "Kim", "Phương", "Mỹ", "Diệu"]
TEN_NAM = ["An", "Bình", "Cường", "Dũng", "Đạt", "Hải", "Hùng", "Khánh", "Long", "Nghĩa", "Phúc", "Quyết", "Sơn", "Thịnh", "Vượng"]
TEN_NU = ["Ánh", "Châu", "Duyên", "Giang", "Hạnh", "Hồng", "Lan", "Liễu", "Mai", "Nguyệt", "Oanh", "Quỳnh", "Thảo", "Uyên", "Yến"]
# Provinces of birth registration as they were (domain 5), some of the list.
NOI_SINH = ["001", "002", "004", "008", "017", "019", "022", "026", "030", "034", "036", "037", "038", "040", "046", "048", "056",
            "064", "070", "074", "077", "079", "082", "087", "092", "096"]
DOANH_NGHIEP = ["Công ty TNHH Một thành viên Mẫu {}", "Hợp tác xã Nông nghiệp Thử Nghiệm {}", "Công ty Cổ phần Xây dựng Ví Dụ {}"]
CHUC_DANH = ["Chuyên viên", "Cán bộ tiếp nhận", "Công chức tư pháp - hộ tịch", "Phó Trưởng phòng", "Chủ tịch UBND xã"]
PHONG_BAN = ["Bộ phận Tiếp nhận và Trả kết quả", "Trung tâm Phục vụ hành chính công", "Phòng Kinh tế, Hạ tầng và Đô thị",
             "Văn phòng HĐND và UBND", "Phòng Văn hóa - Xã hội"]
GIAY_TO = [("Tờ khai theo mẫu", "TK01"), ("Căn cước công dân (bản chụp)", "CC02"), ("Giấy chứng sinh", "CS03"),
           ("Giấy xác nhận nơi cư trú", "CT04"), ("Bản vẽ thiết kế xây dựng", "BV05"), ("Giấy chứng nhận quyền sử dụng đất", "QS06"),
           ("Hợp đồng chuyển nhượng đã được công chứng", "HD07")]
GHI_CHU = ["Công dân đề nghị nhận kết quả trong giờ hành chính.", "Hồ sơ ưu tiên: người cao tuổi.", "Đã đối chiếu bản chính.",
           "Liên hệ trước khi trả kết quả qua bưu chính."]
NOI_DUNG = {
    "received": ["Tiếp nhận hồ sơ, cấp giấy tiếp nhận và hẹn trả kết quả", "Ghi nhận hồ sơ nộp trực tuyến"],
    "rejected": ["Từ chối tiếp nhận: hồ sơ không thuộc thẩm quyền giải quyết", "Không tiếp nhận: thành phần hồ sơ không hợp lệ"],
    "progressed": ["Chuyển bộ phận chuyên môn thụ lý", "Thẩm định hồ sơ, đề xuất giải quyết", "Trình lãnh đạo phê duyệt",
                   "Xin ý kiến cơ quan phối hợp về quy hoạch sử dụng đất"],
    "supplement-requested": ["Yêu cầu bổ sung giấy tờ chứng minh nơi cư trú", "Đề nghị bổ sung bản vẽ hoàn công có xác nhận"],
    "supplement-received": ["Đã nhận đủ giấy tờ bổ sung, tiếp tục giải quyết"],
    "payment-requested": ["Thông báo nghĩa vụ tài chính: nộp lệ phí trước khi thẩm định"],
    "withdrawn": ["Công dân đề nghị rút hồ sơ"],
    "suspended": ["Tạm dừng xử lý chờ kết quả giải quyết tranh chấp"],
    "extended": ["Ban hành văn bản xin lỗi và hẹn lại ngày trả kết quả"],
    "completed": ["Đã ký duyệt, hoàn thành giải quyết hồ sơ"],
    "returned": ["Đã trả kết quả cho công dân", "Đã trả kết quả qua dịch vụ bưu chính công ích"],
}


def name(rng, male):
    return " ".join([rng.choice(HO), rng.choice(DEM_NAM if male else DEM_NU), rng.choice(TEN_NAM if male else TEN_NU)])


def officer(rng):
    return name(rng, rng.random() < 0.5)


def citizen(rng, seen):
    """{SoDinhDanh, HoVaTen, NgayThangNamSinh}: AAA B YY RRRRRR, consistent with sex and birth year (domain 5)."""
    while True:
        male = rng.random() < 0.5
        year = rng.randint(1945, 2005)
        number = f"{rng.choice(NOI_SINH)}{(0 if male else 1) + (2 if year >= 2000 else 0)}{year % 100:02d}{rng.randint(1, 999999):06d}"
        if number in seen:
            continue
        seen.add(number)
        born = f"{year}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
        return {"SoDinhDanh": number, "HoVaTen": name(rng, male).upper(), "NgayThangNamSinh": born}
