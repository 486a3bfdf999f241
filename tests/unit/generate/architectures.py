"""Small random models of many architectures, tokenizers that begin texts differently, and the reference."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
import transformers as tf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from components.contracts.rows import Request
from components.generate.hf.checkpoint import LoadedModel
from tests.unit.generate.conftest import tokenizer

CONTEXT = 256


def bytes_tokenizer() -> tf.PreTrainedTokenizerFast:
    """One token a byte: ' A' is two."""
    made = Tokenizer(models.BPE({c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|end|>"])
    return tf.PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>", pad_token="<|end|>")


def beginning_tokenizer() -> tf.PreTrainedTokenizerFast:
    """Begins every text with a token of its own, as Llama's does; so does its chat template."""
    fast = tokenizer()
    made = Tokenizer.from_str(fast.backend_tokenizer.to_str())
    made.add_special_tokens(["<s>"])
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", len(fast))])
    begun = tf.PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="<|end|>", pad_token="<|end|>")
    begun.chat_template = "{{ bos_token }}" + str(fast.chat_template)
    return begun


def config(name: str, vocabulary: int) -> Any:
    common = {
        "vocab_size": vocabulary,
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.3,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": 0,
    }
    grouped = {**common, "num_key_value_heads": 2}
    gpt = {"vocab_size": vocabulary, "n_embd": 48, "n_layer": 2, "n_head": 4, "initializer_range": 0.3}
    state = {"vocab_size": vocabulary, "hidden_size": 48, "num_hidden_layers": 2, "initializer_range": 0.3}
    latent = {"kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 12}
    experts = {"n_routed_experts": 4, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 2}
    made = {
        "gpt2": lambda: tf.GPT2Config(**gpt, n_positions=CONTEXT),
        "llama": lambda: tf.LlamaConfig(**grouped),
        "qwen2": lambda: tf.Qwen2Config(**grouped),
        "qwen3": lambda: tf.Qwen3Config(**grouped, head_dim=16),
        "gpt_neox": lambda: tf.GPTNeoXConfig(**common),
        "opt": lambda: tf.OPTConfig(
            vocab_size=vocabulary,
            hidden_size=48,
            ffn_dim=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=CONTEXT,
            word_embed_proj_dim=48,
            init_std=0.3,
        ),
        "phi3": lambda: tf.Phi3Config(**common),
        "gemma2": lambda: tf.Gemma2Config(**grouped, head_dim=12, attn_logit_softcapping=2.0),
        "cohere": lambda: tf.CohereConfig(**grouped, logit_scale=0.25),
        "granite": lambda: tf.GraniteConfig(**grouped, logits_scaling=3.0),
        "mixtral": lambda: tf.MixtralConfig(**grouped, num_local_experts=4),
        "deepseek_v3": lambda: tf.DeepseekV3Config(
            **{**common, **latent, **experts}, num_key_value_heads=4, first_k_dense_replace=1, moe_intermediate_size=32
        ),
        # Those that cannot share: windows shorter than the prompt, sinks, position biases, recurrent states.
        "mistral_window": lambda: tf.MistralConfig(**grouped, sliding_window=32),
        "gpt_oss": lambda: tf.GptOssConfig(**grouped, head_dim=12, num_local_experts=4, num_experts_per_tok=2),
        "bloom": lambda: tf.BloomConfig(vocab_size=vocabulary, hidden_size=48, n_layer=2, n_head=4),
        "gptj": lambda: tf.GPTJConfig(**gpt, n_positions=CONTEXT, rotary_dim=8),
        "mamba": lambda: tf.MambaConfig(**state, state_size=8),
    }
    return made[name]()


def random_model(name: str, tok: Any, seed: int = 0) -> LoadedModel:
    torch.manual_seed(seed)
    model = tf.AutoModelForCausalLM.from_config(config(name, len(tok))).float().eval()
    return LoadedModel(model, tok, torch.device("cpu"))


def reference(loaded: LoadedModel) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lm_eval's own imports warn
        from lm_eval.models.huggingface import HFLM

        return HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, device="cpu", batch_size=1)


def reference_choices(loaded: LoadedModel, requests: Sequence[Request]) -> list[tuple[float, ...]]:
    """Log-probabilities of every request's choices by lm-evaluation-harness."""
    found = iter(_asked(loaded, "loglikelihood", [(r.prompt, choice) for r in requests for choice in r.choices]))
    return [tuple(next(found)[0] for _ in request.choices) for request in requests]


def reference_texts(loaded: LoadedModel, texts: Sequence[str]) -> list[float]:
    """Rolling log-likelihoods by lm-evaluation-harness."""
    return list(_asked(loaded, "loglikelihood_rolling", [(text,) for text in texts]))


def _asked(loaded: LoadedModel, kind: str, arguments: Sequence[tuple[str, ...]]) -> Any:
    model = reference(loaded)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lm_eval.api.instance import Instance

        instances = [Instance(kind, {}, each, i) for i, each in enumerate(arguments)]
        return getattr(model, kind)(instances, disable_tqdm=True)
