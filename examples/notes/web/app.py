"""A small web application that keeps its notes in Redis and lets a worker count their words."""
import os
import socket
import time

import flask
import redis

NOTES_SHOWN = 100
TEXT_MAX = 2000

app = flask.Flask(__name__)
store = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True, socket_timeout=2,
                             socket_connect_timeout=2)


def add_note(text):
    note_id = store.incr("notes:last")
    with store.pipeline() as all_at_once:
        all_at_once.hset(f"note:{note_id}", mapping={"id": note_id, "text": text, "at": int(time.time())})
        all_at_once.lpush("notes", note_id)
        all_at_once.rpush("jobs", note_id)
        all_at_once.execute()
    return note_id


def list_notes():
    with store.pipeline() as all_at_once:
        for note_id in store.lrange("notes", 0, NOTES_SHOWN - 1):
            all_at_once.hgetall(f"note:{note_id}")
        return all_at_once.execute()


@app.get("/")
def page():
    return flask.render_template("page.html", notes=list_notes(), replica=socket.gethostname())


@app.post("/")
def add_from_form():
    text = flask.request.form.get("text", "").strip()
    if text:
        add_note(text[:TEXT_MAX])
    return flask.redirect("/", 303)


@app.get("/api/notes")
def api_list():
    return flask.jsonify(list_notes())


@app.post("/api/notes")
def api_add():
    text = str((flask.request.get_json(silent=True) or {}).get("text", "")).strip()
    if not text or len(text) > TEXT_MAX:
        return flask.jsonify(error=f"text: 1 to {TEXT_MAX} characters"), 400
    return flask.jsonify(id=add_note(text)), 201


@app.get("/health")
def health():
    """Healthy is: Redis answers. `svc exec web touch /tmp/unwell` makes this replica say otherwise."""
    if os.path.exists("/tmp/unwell"):
        return flask.jsonify(status="unwell"), 503
    store.ping()
    return flask.jsonify(status="ok")


@app.errorhandler(redis.RedisError)
def no_redis(error):
    return flask.jsonify(error=f"redis: {error}"), 503


@app.after_request
def name_replica(response):
    response.headers["X-Replica"] = socket.gethostname()
    return response
