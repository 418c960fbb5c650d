"""Tells others what is stored: MQTT messages from the stores by cursor, to a broker of the laboratory or an own one."""
