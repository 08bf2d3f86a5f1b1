"""Publishes numbered readings with paho-mqtt and says how many the server acknowledged."""

import json
import sys

import paho.mqtt.client as mqtt

port, version, qos, topic, count, start_ms = sys.argv[1:]
protocol = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5": mqtt.MQTTv5}[version]
refused = []


def on_publish(client, userdata, mid, reason_code, properties):
    if reason_code.is_failure:
        refused.append(str(reason_code))


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"paho-{version}-{qos}", protocol=protocol)
client.on_publish = on_publish
client.connect("127.0.0.1", int(port))
client.loop_start()
sent = [
    client.publish(topic, json.dumps({"value": n, "timestamp_ms": int(start_ms) + n}), int(qos))
    for n in range(int(count))
]
for message in sent:
    message.wait_for_publish(30)
client.disconnect()
client.loop_stop()
assert not refused, refused
print(sum(message.is_published() for message in sent))
