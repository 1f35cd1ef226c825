"""What the other tests look with: it must not take what it cannot see for nothing."""

import pytest
from confluent_kafka import KafkaException


def test_a_topic_that_is_not_there_is_not_an_empty_one(world):
    world.topics()
    assert world.read("lt.intake") == [] and world.tail("lt.intake").read() == []
    for look in world.read, world.tail:
        with pytest.raises(KafkaException, match="UNKNOWN_TOPIC"):
            look("lt.not-there")
