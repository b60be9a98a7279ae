"""How schemathesis writes the forms of a batch that it does not know, NDJSON and CSV: as their text.

What is no text, which it sends to see it refused, is one line of JSON.
"""

import json

import schemathesis


def text(context, value):
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()


for media_type in ["application/x-ndjson", "text/csv"]:
    schemathesis.serializer(media_type)(text)
