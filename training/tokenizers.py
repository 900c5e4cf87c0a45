"""Which tokenizer a world has: a grid of texture, sprites or a road seen from above, or a room seen from within."""

from __future__ import annotations

from types import ModuleType

from .any_tokenizer import AnyTokenizer
from .road_tokenizer import RoadConfig, RoadTokenizer
from .room_tokenizer import RoomConfig, RoomTokenizer
from .sprite_tokenizer import SpriteConfig, SpriteTokenizer
from .tokenizer import Tokenizer, TokenizerConfig

AnyConfig = TokenizerConfig | SpriteConfig | RoomConfig | RoadConfig


def config_for(module: ModuleType) -> AnyConfig:
    """What the world's module asks for."""
    size = module.FACTS.get("size", TokenizerConfig.size)
    if hasattr(module, "SPRITES"):
        return SpriteConfig(size=size, turns=module.SPRITES)
    if hasattr(module, "ROOM"):
        return RoomConfig(size=size, **module.ROOM)
    if hasattr(module, "ROAD"):
        return RoadConfig(size=size, **module.ROAD)
    return TokenizerConfig(size=size)


def build(config: dict) -> AnyTokenizer:
    """The tokenizer whose `config.dict()` this is, untrained."""
    if "turns" in config:
        return SpriteTokenizer(SpriteConfig(**config))
    if "cells" in config:
        return RoomTokenizer(RoomConfig(**config))
    return RoadTokenizer(RoadConfig(**config)) if "ring" in config else Tokenizer(TokenizerConfig(**config))
