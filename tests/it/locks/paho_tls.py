"""Publishes readings with paho-mqtt over TLS, showing a certificate, and says how many the server acknowledged."""

import json
import sys
import time

import paho.mqtt.client as mqtt

port, ca, cert, key, topic, count = sys.argv[1:]
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="paho-tls", protocol=mqtt.MQTTv5)
client.tls_set(ca_certs=ca, certfile=cert, keyfile=key)
client.connect("localhost", int(port))
client.loop_start()
start_ms = int(time.time() * 1000) - 60_000
sent = [client.publish(topic, json.dumps({"value": n, "timestamp_ms": start_ms + n}), 1) for n in range(int(count))]
for message in sent:
    message.wait_for_publish(30)
client.disconnect()
client.loop_stop()
print(sum(message.is_published() for message in sent))
