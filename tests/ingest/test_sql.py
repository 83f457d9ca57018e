import json
import sqlite3
import sys
import traceback

import pytest
import sqlalchemy

from cu_pipeline.core.errors import ManifestError
from cu_pipeline.ingest.feeds import read_feeds
from cu_pipeline.media.options import Limits

SQLITE = "sqlite:///in/feed.db"


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def database(root):
    (root / "in").mkdir()
    with sqlite3.connect(root / "in/feed.db") as connection:
        connection.execute("CREATE TABLE clips (path TEXT, text TEXT, label TEXT, views INTEGER)")
        rows = [("in/1.mp4", "grüße 🎬", "run", 7), (None, "two", None, None), ("s3://b/3.mp4", None, "a;b", 9)]
        connection.executemany("INSERT INTO clips VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return root / "in/feed.db"


def read(place):
    return read_feeds([f"sql:{place}"], Limits()).frame()


def rows(place, *columns):
    return read(place)[list(columns)].to_numpy().tolist()


EXPECTED = [["in/1.mp4", "grüße 🎬", "7"], ["", "two", ""], ["s3://b/3.mp4", "", "9"]]


def test_a_table_a_select_and_a_file_of_sql_are_read(root, database):
    assert rows(f"{SQLITE}#clips", "path", "text", "views") == EXPECTED
    assert rows(f"sqlite:///{database}#main.clips", "path", "text", "views") == EXPECTED
    query = "SELECT text, label FROM clips WHERE label LIKE '%;%' OR views = 7 -- {odd} :word"
    assert rows(f"{SQLITE}#{query}", "text", "label", "path") == [["grüße 🎬", "run", ""], ["", "a;b", ""]]
    (root / "in/query.sql").write_text("-- newest first\nSELECT views AS clip_id, text FROM clips ORDER BY 1 DESC;\n")
    assert rows(f"{SQLITE}#in/query.sql", "clip_id") == [["9"], ["7"], [""]]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (f"{SQLITE}#absent", r"no such table: absent"),
        (f"{SQLITE}#SELECT nonsense FROM clips", r"no such column"),
        (f"{SQLITE}#SELECT * FROM clips WHERE 0", r"has no rows"),
        (f"{SQLITE}#SELECT views FROM clips", r"neither a `path` nor a `text` column, only \['views'\]"),
        (f"{SQLITE}#absent.sql", r"absent\.sql"),
        (f"{SQLITE}#", r"neither a table, a \.sql file nor a SELECT.*Remedy"),
        (f"{SQLITE}#DELETE FROM clips", r"neither a table, a \.sql file nor a SELECT.*Remedy"),
        (f"{SQLITE}#WITH a AS (SELECT 1) DELETE FROM clips RETURNING text", r"readonly database"),
        ("sqlite:///absent.db#clips", r"no database file.*absent\.db"),
        ("nonsense#clips", r"no database URL.*Remedy"),
        ("odd://host/db#clips", r"cannot be read.*dialects:odd"),
    ],
)
def test_what_cannot_be_read_is_told(database, place, message):
    before = database.read_bytes()
    with pytest.raises(ManifestError, match=message):
        read(place)
    assert database.read_bytes() == before
    assert not (database.parents[1] / "absent.db").exists()


def test_a_missing_driver_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ManifestError, match=r"pip install 'cu-pipeline\[postgres\]'"):
        read("postgresql+psycopg://host/db#clips")


@pytest.fixture(scope="session")
def server(postgres):
    """Give the address of a database with clips, without its password."""
    url = sqlalchemy.URL.create("postgresql+psycopg", "postgres", "top-secret", "127.0.0.1", postgres, "postgres")
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            """CREATE TABLE clips (clip_id uuid, text text, posted_at timestamptz, price numeric, annotations jsonb,
            label text[]);
            INSERT INTO clips VALUES ('00000000-0000-0000-0000-000000000001', 'grüße 🎬', '2026-03-02T08:00Z', 1.50,
            '{"ann": "run"}', '{run,jump}'), (NULL, 'two', NULL, NULL, NULL, NULL);
            CREATE TABLE many AS SELECT 'clip ' || n AS text FROM generate_series(1, 25000) AS n"""
        )
    return f"postgresql+psycopg://postgres:{{FEED_PASSWORD}}@127.0.0.1:{postgres}/postgres"


@pytest.fixture
def password(monkeypatch):
    monkeypatch.setenv("FEED_PASSWORD", "top-secret")


def test_postgresql_is_read_with_its_types(server, password):
    [first, second] = read(f"{server}#clips").drop(columns=["_problem", "_source"]).to_dict("records")
    assert first["posted_at"].startswith("2026-03-02T")
    assert json.loads(first.pop("annotations")) == {"ann": "run"}
    assert json.loads(first.pop("label")) == ["run", "jump"]
    assert first | {"posted_at": ""} == {
        "clip_id": "00000000-0000-0000-0000-000000000001",
        "text": "grüße 🎬",
        "price": "1.50",
        "posted_at": "",
        "path": "",
    }
    assert {name: value for name, value in second.items() if value} == {"text": "two"}
    assert read(f"{server}#public.many")["text"].tolist()[-1] == "clip 25000"
    assert rows(f"{server}#SELECT text, 7 % 4 AS views FROM clips WHERE text LIKE 't%'", "views") == [["3"]]


def test_the_password_is_shown_nowhere(server, password, caplog, capfd, monkeypatch):
    assert "top-secret" not in read(f"{server}#clips").to_json()
    monkeypatch.setenv("FEED_PASSWORD", "wrong-secret")
    with pytest.raises(ManifestError, match="password authentication failed") as caught:
        read(f"{server}#clips")
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + "".join(capfd.readouterr())
    assert "wrong-secret" not in told
    monkeypatch.delenv("FEED_PASSWORD")
    with pytest.raises(ManifestError, match=r"no environment variable FEED_PASSWORD.*export FEED_PASSWORD="):
        read(f"{server}#clips")


@pytest.mark.parametrize(
    "query",
    [
        "WITH gone AS (DELETE FROM clips RETURNING text) SELECT * FROM gone",
        "SELECT 1 AS text; DROP TABLE clips",
        "SELECT 1 AS text; COMMIT; DROP TABLE clips; COMMIT",
    ],
)
def test_a_query_that_writes_is_refused_by_postgresql(server, password, query):
    with pytest.raises(ManifestError, match="cannot be read"):
        read(f"{server}#{query}")
    assert len(read(f"{server}#clips")) == 2


def test_a_server_that_does_not_answer_is_told():
    with pytest.raises(ManifestError, match=r"127\.0\.0\.1.*cannot be read"):
        read("postgresql+psycopg://127.0.0.1:1/db#clips")
