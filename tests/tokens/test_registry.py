"""A model's name leads to one tokenizer, one method, one band; an unknown one is refused."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from nexctl.errors import UsageError
from nexctl.tokens import registry
from nexctl.tokens.families_data import MODELS, NAMES, STARTS, TOKENIZERS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def without_extras(monkeypatch):
    """A base install: no optional package is there."""
    monkeypatch.setattr(registry, "_missing", lambda packages: bool(packages))
    registry._chosen.cache_clear()
    yield
    registry._chosen.cache_clear()


@pytest.mark.parametrize(
    ("model", "tokenizer", "method"),
    [
        ("gpt-3.5-turbo-0125", "cl100k_base", "exact"),
        ("gpt-35-turbo", "cl100k_base", "exact"),
        ("gpt-4-0613", "cl100k_base", "exact"),
        ("gpt-4-turbo-2024-04-09", "cl100k_base", "exact"),
        ("text-embedding-3-small", "cl100k_base", "exact"),
        ("gpt-4o-2024-08-06", "o200k_base", "exact"),
        ("chatgpt-4o-latest", "o200k_base", "exact"),
        ("openai/gpt-4.1-mini", "o200k_base", "exact"),
        ("gpt-4.5-preview", "o200k_base", "exact"),
        ("gpt-5-codex", "o200k_base", "exact"),
        ("gpt-5.4-mini", "o200k_base", "exact"),
        ("o1-pro", "o200k_base", "exact"),
        ("o3-mini-2025-01-31", "o200k_base", "exact"),
        ("o4-mini", "o200k_base", "exact"),
        ("openai/gpt-oss-120b", "o200k_harmony", "exact"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc123", "o200k_base", "exact"),
        ("claude-3-5-haiku-20241022", "claude-v3", "reconstructed"),
        ("claude-opus-4", "claude-v3", "reconstructed"),
        ("claude-opus-4-20250514", "claude-v3", "reconstructed"),
        ("anthropic/claude-sonnet-4", "claude-v3", "reconstructed"),
        ("anthropic/claude-sonnet-4.5", "claude-v3", "reconstructed"),
        ("us.anthropic.claude-3-5-sonnet-20240620-v1:0", "claude-v3", "reconstructed"),
        ("claude-3-5-haiku@20241022", "claude-v3", "reconstructed"),
        ("claude-opus-4-6", "claude-v3", "reconstructed"),
        ("claude-opus-4-7", "claude-v4.7", "reconstructed"),
        ("claude-opus-4.8", "claude-v4.8", "reconstructed"),
        ("claude-sonnet-5", "claude-v4.8", "reconstructed"),
        ("qwen/qwen3-32b", "qwen2.5", "exact"),
        ("Qwen2.5-7B-Instruct", "qwen2.5", "exact"),
    ],
)
def test_a_name_in_any_gateways_spelling_finds_its_tokenizer(model, tokenizer, method):
    choice = registry.choose(model)
    assert (choice.tokenizer, choice.method) == (tokenizer, method)
    assert choice.exact == (method == "exact")
    assert (choice.error is None) == choice.exact


@pytest.mark.parametrize(
    ("model", "tokenizer"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "llama3"),
        ("llama3.1:8b", "llama3"),
        ("accounts/fireworks/models/llama-v3p1-70b-instruct", "llama3"),
        ("llama-4-scout-17b-16e", "llama4"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek_v3"),
        ("deepseek-r1", "deepseek_v3"),
        ("deepseek-v4-flash", "deepseek_v4"),
        ("qwen3.6-plus", "qwen3.5"),
        ("glm-4.5-air", "glm4"),
        ("z-ai/glm-5", "glm5"),
        ("glm-4.7", "glm5"),
        ("moonshotai/kimi-k2-0905", "kimi_k2"),
        ("kimi-k2.5", "kimi_k2"),
        ("kimi-k3", "kimi_k2"),
        ("minimax-m2.1", "minimax"),
        ("open-mistral-7b", "mistral_v1"),
        ("open-mixtral-8x22b", "mistral_v2"),
        ("mistral-large-2411", "mistral_tekken"),
        ("open-mistral-nemo", "mistral_tekken"),
        ("pixtral-12b-2409", "mistral_tekken"),
        ("models/gemini-2.5-pro-preview-05-06", "gemma3"),
        ("gemini-3-flash-preview", "gemma3"),
        ("gemini-3.1-pro", "gemma4"),
    ],
)
def test_a_family_beyond_the_base_install_is_a_stated_estimate(without_extras, model, tokenizer):
    choice = registry.choose(model)
    assert (choice.tokenizer, choice.method, choice.exact) == (tokenizer, "estimated", False)
    assert float(choice.error["low_percent"]) < 0 < float(choice.error["high_percent"])
    assert choice.engine == "o200k_base"
    if choice.extra:
        assert choice.extra.startswith("pip install 'nexctl[tokenizers]'")
        assert choice.extra in choice.notes[0]
    assert registry.counter(choice).count("How much would this prompt cost?") > 0


@pytest.mark.parametrize(
    "model",
    ["grok-4", "command-r-plus", "nova-pro", "gpt-4-7", "gpt-7", "claude-opus-4-9", "claude-2",
     "claude-sonnet-6", "deepseek-v5", "llama-2-7b", "", None, "gpt", "-", "/", "🙂"],
)  # fmt: skip
def test_an_unknown_model_is_refused_and_never_counted_as_another(model):
    with pytest.raises(UsageError) as caught:
        registry.choose(model)
    assert caught.value.code == "unknown_tokenizer"
    assert caught.value.exit == 2


@pytest.mark.parametrize(
    ("model", "tokenizer"),
    [("gpt-6-astra", "o200k_base"), ("claude-opus-5-5", "claude-v4.8"),
     ("claude-sonnet-class", "claude-v3"), ("gemini-3.8-flash", "gemma4"),
     ("mistral-large-2512", "mistral_tekken"), ("mimo-v2-pro", "qwen2.5")],
)  # fmt: skip
def test_a_model_newer_than_its_vendors_known_vocabularies_is_a_noted_estimate(model, tokenizer):
    choice = registry.choose(model)
    assert (choice.tokenizer, choice.method, choice.exact) == (tokenizer, "estimated", False)
    assert float(choice.error["low_percent"]) < 0 < float(choice.error["high_percent"])
    assert "assumed" in choice.notes[0] or "class" in choice.notes[0]


def test_an_estimate_of_an_estimate_takes_the_wider_band(without_extras):
    choice = registry.choose("mistral-large-2512")
    known = registry.choose("mistral-large-2411")
    assert float(choice.error["low_percent"]) < float(known.error["low_percent"])
    assert float(choice.error["high_percent"]) > float(known.error["high_percent"])
    assert len(choice.notes) == 2


def test_what_the_price_book_declares_wins_over_the_map():
    declared = {"name": "qwen2.5", "method": "vendor-declared", "source": "https://example.com"}
    choice = registry.choose("gpt-4o", declared=declared)
    assert (choice.tokenizer, choice.method, choice.exact) == ("qwen2.5", "vendor-declared", False)
    assert choice.source == "https://example.com"


def test_a_declared_guess_keeps_its_band_and_counts_with_the_named_vocabulary():
    band = {"low_percent": "-20", "high_percent": "30"}
    declared = {"name": "o200k_base", "method": "estimated", "error": band}
    choice = registry.choose("nex-auto", declared=declared)
    assert (choice.engine, choice.method, choice.error) == ("o200k_base", "estimated", band)


def test_a_declared_guess_without_a_band_gets_the_widest_of_the_known_families():
    choice = registry.choose("nex-auto", declared={"name": "o200k_base", "method": "estimated"})
    assert choice.error is not None


@pytest.mark.parametrize("declared", [{"name": "nonsense"}, {"method": "exact"},
                                      {"name": "o200k_base", "method": "sworn"}])  # fmt: skip
def test_a_declaration_that_names_nothing_known_is_refused(declared):
    with pytest.raises(UsageError, match="price book"):
        registry.choose("nex-pro", declared=declared)


def test_a_scaled_estimate_multiplies_and_rounds(without_extras):
    choice = registry.choose("deepseek-v3")
    text = "word " * 1000
    plain = registry.counter(registry.choose("gpt-4o")).count(text)
    top, bottom = choice.scale
    assert registry.counter(choice).count(text) == round(plain * top / bottom)
    assert registry.counter(choice).count("") == 0


def test_token_ids_come_from_vocabularies_only(without_extras):
    exact = registry.counter(registry.choose("gpt-4o"))
    assert b"".join(exact.pieces("naïve <|endoftext|>")) == "naïve <|endoftext|>".encode()
    for model in ("claude-sonnet-4", "deepseek-v3"):
        counter = registry.counter(registry.choose(model))
        assert not counter.has_pieces
        with pytest.raises(UsageError, match="without token ids"):
            counter.encode("text")


def test_a_choice_travels_between_processes():
    choice = registry.choose("claude-sonnet-4")
    assert pickle.loads(pickle.dumps(choice)) == choice


def test_every_row_of_the_map_leads_somewhere():
    assert {*NAMES.values(), *STARTS.values()} == set(range(len(MODELS)))
    for row in TOKENIZERS.values():
        assert row["source"].startswith("https://")


def test_every_listed_name_finds_its_own_row():
    for name, number in NAMES.items():
        assert registry.find(name) is MODELS[number], name
    for start, number in STARTS.items():
        assert registry.find(start + "x") is MODELS[number], start


def test_the_compiled_map_is_current():
    script = ROOT / "scripts/build_tokenizer_map.py"
    subprocess.run([sys.executable, str(script), "--check"], check=True)


def test_a_tokenizer_by_its_own_name_is_as_sure_as_for_the_models_that_have_it():
    assert registry.tokenizer("o200k_base").exact
    assert registry.tokenizer("gemma3").exact
    for name in ("claude-v3", "claude-v4.7", "claude-v4.8"):
        claude = registry.tokenizer(name)
        assert (claude.exact, claude.method) == (False, "reconstructed")
        assert claude.error is not None
    assert registry.tokenizer("claude-v4.8").error == {"low_percent": "-1", "high_percent": "0.5"}
    with pytest.raises(UsageError, match="no tokenizer is called 'nope'"):
        registry.tokenizer("nope")
