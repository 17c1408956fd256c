"""A key-value store with a setting of its own: `set KEY VALUE`, then `get KEY`."""

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from twistednet import (
    Messages,
    MessagesFactory,
    Metrics,
    Service,
    ServiceSettings,
    number,
    setting,
)


@dataclass(frozen=True)
class KVSettings:
    maxKeys: int = setting(100, number(int, 1), "keys that kv keeps")


class KVFactory(MessagesFactory):
    """All connections share one store."""

    maxKeys = 100

    def __init__(self, protocol: type["KV"], clock: IReactorTime | None = None) -> None:
        super().__init__(protocol, clock)
        self.store: dict[str, str] = {}

    def configure(self, settings: ServiceSettings) -> None:
        super().configure(settings)
        self.maxKeys = settings.of(KVSettings).maxKeys

    def metrics(self) -> Metrics:
        return {**super().metrics(), "kv_keys": len(self.store)}


class KV(Messages):
    factory: KVFactory

    def messageReceived(self, text: str) -> None:
        verb, _, rest = text.partition(" ")
        key, _, value = rest.partition(" ")
        store = self.factory.store
        if verb == "get":
            self.send(store.get(key, "none"))
        elif verb != "set":
            self.send("unknown command: use get KEY or set KEY VALUE")
        elif key not in store and len(store) >= self.factory.maxKeys:
            self.send("full")
        else:
            store[key] = value
            self.send("ok")


service = Service("kv", ("tcp:7379",), "keeps keys", KV, KVFactory, settings=KVSettings)
