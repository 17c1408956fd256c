"""twistd -n netdemo --receive-class=wordcount.WordCount"""

from twistednet import Receive


class WordCount(Receive):
    """Displays how many words each chunk has, and never the words."""

    def received(self, data: bytes) -> None:
        self.log.info("{peer} sent {words} words", peer=self.peer, words=len(data.split()))
