import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from cu_pipeline.service.api.documentation import describe_keys


@pytest.fixture(scope="module")
def description(service):
    with TestClient(service.app, base_url="http://localhost", client=("127.0.0.1", 1)) as client:
        return client.get("/openapi.json").json()


def test_the_description_tells_how_a_key_is_sent_and_what_it_must_allow(description):
    schemes = description["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["key"]["name"]) == ("bearer", "X-Api-Key")
    needs = {
        path: {tuple(scopes) for one in operation["security"] for scopes in one.values()}
        for path, operations in description["paths"].items()
        for operation in operations.values()
    }
    assert needs["/classify"] == {("classify",)}
    assert needs["/captures/{request_id}"] == {("admin",)}
    assert needs["/feedback"] == {("feedback",)}
    assert needs["/metrics"] == {("metrics",)}
    assert needs["/readyz"] == set()


def test_keys_are_an_option_where_there_are_none(description):
    assert description["paths"]["/classify"]["post"]["security"][0] == {}
    app = FastAPI()
    app.add_api_route("/classify", lambda: None)
    describe_keys(app, asked_for=True)
    assert app.openapi()["paths"]["/classify"]["get"]["security"] == [{"bearer": ["classify"]}, {"key": ["classify"]}]
