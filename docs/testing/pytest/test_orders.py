"""What a service writes, another reads."""

from confluent_kafka import Consumer, Producer


def test_orders_arrive_in_order(bootstrap):
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(3):
        producer.produce("orders", key="alice", value=f"order {number}")
    assert producer.flush(10) == 0

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "billing", "auto.offset.reset": "earliest"})
    consumer.subscribe(["orders"])
    seen = [message.value().decode() for message in consumer.consume(num_messages=3, timeout=10)]
    consumer.close()
    assert seen == ["order 0", "order 1", "order 2"]
