"""Which tokenizer a world has: a grid of texture, sprites seen from above, or a room seen from within."""

from __future__ import annotations

from types import ModuleType

from .room_tokenizer import RoomConfig, RoomTokenizer
from .sprite_tokenizer import SpriteConfig, SpriteTokenizer
from .tokenizer import Tokenizer, TokenizerConfig

AnyTokenizer = Tokenizer | SpriteTokenizer | RoomTokenizer
AnyConfig = TokenizerConfig | SpriteConfig | RoomConfig


def config_for(module: ModuleType) -> AnyConfig:
    """What the world's module asks for."""
    size = module.FACTS.get("size", TokenizerConfig.size)
    if hasattr(module, "SPRITES"):
        return SpriteConfig(size=size, turns=module.SPRITES)
    if hasattr(module, "ROOM"):
        return RoomConfig(size=size, **module.ROOM)
    return TokenizerConfig(size=size)


def build(config: dict) -> AnyTokenizer:
    """The tokenizer whose `config.dict()` this is, untrained."""
    if "turns" in config:
        return SpriteTokenizer(SpriteConfig(**config))
    return RoomTokenizer(RoomConfig(**config)) if "cells" in config else Tokenizer(TokenizerConfig(**config))
