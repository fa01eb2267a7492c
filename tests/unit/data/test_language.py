"""Languages by py3langid, where it is installed."""

from __future__ import annotations

import sys

import pytest

from edgellm.data.language import LANGUAGES, UNKNOWN, language_detector
from edgellm.errors import MissingExtra

SENTENCES = {
    "en": "The harbour was dug by hand over nine summers.",
    "de": "Der Hafen wurde in neun Sommern von Hand gegraben.",
    "hi": "भारत की राजधानी नई दिल्ली है और यह यमुना के किनारे बसी है।",
    "mr": "महाराष्ट्राची राजधानी मुंबई आहे आणि ती समुद्रकिनारी वसलेली आहे.",
    "ta": "தமிழ்நாட்டின் தலைநகரம் சென்னை ஆகும்.",
    "kn": "ಕರ್ನಾಟಕದ ರಾಜಧಾನಿ ಬೆಂಗಳೂರು ಆಗಿದೆ.",
}


def test_languages_are_told_apart() -> None:
    pytest.importorskip("py3langid")
    detect = language_detector()
    assert {code: detect(text) for code, text in SENTENCES.items()} == {code: code for code in SENTENCES}
    assert detect("Ok.") == UNKNOWN
    assert detect("12345 67890 12345 67890 12345") == UNKNOWN


def test_the_codes_are_those_of_the_model() -> None:
    langid = pytest.importorskip("py3langid.langid")
    known = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE).nb_classes
    assert {str(code) for code in known} - {"zxx"} == LANGUAGES


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(MissingExtra, match=r"edgellm\[train\]"):
        language_detector()
