import numpy as np
import pandas as pd
import pytest

from cu_pipeline.ingest import language
from cu_pipeline.ingest.language import identify, name_languages
from cu_pipeline.ingest.options import LanguageOptions

CAPTIONS = {
    "ar": "ماذا آكل في يوم كامل كطالبة في القاهرة",
    "de": "Warte bis zum Ende, du glaubst nicht, was passiert ist",
    "en": "Wait for the end, you won't believe what happened",
    "es": "Espera hasta el final, no vas a creer lo que pasó",
    "fr": "Attendez la fin, vous n'allez pas croire ce qui s'est passé",
    "hi": "दिल्ली में एक छात्रा के रूप में मैं दिन भर क्या खाती हूँ",
    "id": "Tunggu sampai akhir, kamu tidak akan percaya apa yang terjadi",
    "ja": "最後まで見て、信じられないことが起きる",
    "ko": "우리 고양이가 오늘 아침에 침대에서 나오지 않아요 😹 #고양이",
    "pt": "Espera até o final, você não vai acreditar no que aconteceu",
    "ru": "Досмотри до конца, ты не поверишь, что случилось",
    "tr": "Sonuna kadar bekle, olanlara inanamayacaksın",
    "vi": "Hãy đợi đến cuối, bạn sẽ không tin chuyện gì đã xảy ra",
    "zh": "我家的猫今天早上不肯起床 😹 #猫",
}
SAYS_NOTHING = [
    "lol",
    "haha 😂😂",
    "Minecraft",
    "part 2",
    "ASMR",
    "",
    "123 456",
    "GTA VI 4K 60FPS",
    "iPhone 17 Pro Max",
]


def test_captions_in_many_languages_are_named():
    assert identify(list(CAPTIONS.values()), 0.6) == list(CAPTIONS)


def test_captions_that_say_nothing_have_no_language():
    assert identify(SAYS_NOTHING, 0.6) == [""] * len(SAYS_NOTHING)


@pytest.mark.parametrize(
    "noise", ["😂😂😂", "#gatos #comida #receta #para #ti", "@la_casa_de_maria", "https://ejemplo.es/la-casa"]
)
def test_emoji_hashtags_mentions_and_addresses_do_not_decide(noise):
    assert identify([noise], 0.0) == identify([""], 0.0)
    german = CAPTIONS["de"]
    assert language._words(f"{noise} {german} {noise}") == language._words(german)


def test_all_captions_are_judged_as_the_library_judges_one():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    one = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    one.set_languages([tag for tag in one.labels if len(tag) == 2 or tag == "zxx"])
    encoded = [language._words(caption) for caption in (*CAPTIONS.values(), *SAYS_NOTHING)]
    tags, probabilities = language._model().probabilities(encoded)
    for caption, found in zip(encoded, probabilities, strict=True):
        expected = dict(one.rank(caption))
        np.testing.assert_allclose(found, [expected[tag] for tag in tags], atol=1e-4)


def test_a_caption_is_named_alike_alone_and_among_others(monkeypatch):
    captions = [*CAPTIONS.values(), *SAYS_NOTHING]
    together = identify(captions, 0.5)
    monkeypatch.setattr(language, "BATCH", 1)
    assert identify(captions, 0.5) == together


def feed():
    rows = [("en", "feed", CAPTIONS["de"]), ("", "", CAPTIONS["de"]), ("", "", "lol"), ("", "", "")]
    return pd.DataFrame(rows, columns=["lang", "lang_source", "text"], dtype="object")


def test_the_feeds_own_language_wins_and_what_is_unsure_stays_open():
    rows = feed()
    named = name_languages(rows, LanguageOptions())
    assert named["lang"].tolist() == ["en", "de", "", ""]
    assert named["lang_source"].tolist() == ["feed", "identified", "", ""]
    pd.testing.assert_frame_equal(rows, feed())


def test_a_caption_exactly_as_sure_as_asked_is_named_and_a_less_sure_one_is_not():
    caption = "vier Katzen im Garten"
    _, shares = language._model().probabilities([language._words(caption)])
    sure = float(shares.max())
    assert identify([caption], sure) == ["de"]
    assert identify([caption], sure + 0.001) == [""]


def test_naming_languages_can_be_left_out_and_made_stricter():
    assert name_languages(feed(), LanguageOptions(enabled=False))["lang"].tolist() == ["en", "", "", ""]
    assert name_languages(feed(), LanguageOptions(least_probability=1))["lang"].tolist() == ["en", "", "", ""]
