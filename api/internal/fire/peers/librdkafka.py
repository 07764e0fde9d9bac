#!/usr/bin/env python3
"""librdkafka, by way of confluent-kafka (pip install confluent-kafka), beside kactor, with its defaults, as fire runs it: see peer/peer.go for what it prints."""
import argparse, sys, threading, time

import confluent_kafka as ck

parser = argparse.ArgumentParser()
for name, kind in ("brokers", str), ("topic", str), ("partitions", int), ("rate", int):
    parser.add_argument("-" + name, type=kind, required=True)
args = parser.parse_args()
over = threading.Event()


def say(*what):
    sys.stdout.write(" ".join(map(str, what)) + "\n")
    sys.stdout.flush()


def acknowledged(err, m):
    say("e", err) if err else say("p", m.partition(), -1 if m.offset() is None else m.offset())  # -1: the broker knew it already


def write():
    """Sends half of the records, ten times a second, one partition after the other."""
    p = ck.Producer({"bootstrap.servers": args.brokers, "enable.idempotence": True})
    value, sent, due = b"x" * 100, 0, time.monotonic()
    while not over.is_set():
        for _ in range(max(1, args.rate // 20)):
            while True:
                try:
                    p.produce(args.topic, value, partition=sent % args.partitions, on_delivery=acknowledged)
                    break
                except BufferError:
                    p.poll(0.01)
            sent += 1
        due += 0.1
        while (rest := due - time.monotonic()) > 0:
            p.poll(rest)
    p.flush()


def read():
    c = ck.Consumer({"bootstrap.servers": args.brokers, "group.id": "group-" + args.topic, "auto.offset.reset": "earliest"})
    c.subscribe([args.topic])
    while True:
        for m in c.consume(100, 0.01):
            if not m.error():
                say("c", m.partition(), m.offset())


writers = [threading.Thread(target=write, daemon=True) for _ in range(2)]
for t in writers + [threading.Thread(target=read, daemon=True) for _ in range(2)]:
    t.start()
sys.stdin.read()
over.set()
for t in writers:
    t.join()
say("f")
threading.Event().wait()
