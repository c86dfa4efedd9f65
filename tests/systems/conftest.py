"""Gateways for a module's scenarios: made once, each in a home of its own, ended at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.systems.shop_kit import Shop

Open = Callable[..., Shop]


@pytest.fixture(scope="module")
def open_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Make a gateway: `open_shop(BOOK, *OPTIONS_OF_INIT)`."""
    shops: list[Shop] = []

    def opened(book: str, *more: str) -> Shop:
        shops.append(Shop(tmp_path_factory.mktemp("shop"), book, *more))
        return shops[-1]

    yield opened
    for shop in shops:
        shop.close()


@pytest.fixture(scope="module")
def key(shop: Shop) -> str:
    """A key for the SDK at the module's own `shop`."""
    return shop.key("sdk")
