"""One form for names and domains, whatever country and script they come from."""

import pytest

from segmentation.identity.domains import company_domain, registered_domain
from segmentation.identity.names import NO_NAME, normalised


@pytest.mark.parametrize(
    ("written", "full"),
    [
        ("Nordwind Systems GmbH & Co. KG", "nordwind systems"),
        ("NORDWIND SYSTEMS, Inc.", "nordwind systems"),
        ("Foo Bar S.p.A.", "foo bar"),
        ("ACME sp. z o.o.", "acme"),
        ("ＡＢＣ Ｃｏ．，Ｌｔｄ", "abc"),
        ("Müller & Söhne KG", "muller and sohne"),
        ("PT Bank Central Asia", "bank central asia"),
        ("騰訊科技（深圳）有限公司", "腾讯科技深圳"),
        ("腾讯科技(深圳)有限公司", "腾讯科技深圳"),
        ("联想集团有限公司", "联想"),
        ("北京字节跳动科技有限公司上海分公司", "北京字节跳动科技上海分公司"),  # a branch is not its company
        ("Amazon UK", "amazon uk"),  # nor is the one of a country
    ],
)
def test_the_legal_form_goes_and_the_name_stays(written, full):
    assert normalised(written).full == full


@pytest.mark.parametrize("written", ["", " ", "-", "n/a", "N.A.", "未知", "有限公司", "Ltd.", "Co., Ltd", "test", "…"])
def test_what_names_nobody_is_no_key(written):
    assert normalised(written) == NO_NAME


def test_group_and_holding_make_names_alike_not_the_same():
    group, plain = normalised("Acme Group, Inc."), normalised("Acme")
    assert (group.full, group.core, plain.core) == ("acme group", "acme", "acme")
    assert normalised("小米集团").core == normalised("小米").core


@pytest.mark.parametrize(
    ("text", "registered", "company"),
    [
        ("https://shop.example.co.uk/de", "example.co.uk", "example.co.uk"),
        ("Ada@Mail.Example.com.", "example.com", "example.com"),
        ("foo.github.io", "foo.github.io", "foo.github.io"),
        ("xn--fiqs8s.cn", "中国.cn", "中国.cn"),
        ("someone@gmail.com", "gmail.com", ""),
        ("vip.163.com", "163.com", ""),
        ("outlook.de", "outlook.de", ""),
        ("com.cn", "", ""),
        ("192.168.1.1", "", ""),
        ("localhost", "", ""),
        ("", "", ""),
    ],
)
def test_the_registered_domain_tells_a_company_unless_mail_is_free_there(text, registered, company):
    assert (registered_domain(text), company_domain(text)) == (registered, company)
