import pika
import pytest
from pymongo import MongoClient

from touchstone_devkit.backing.choosing import Backing


def test_the_broker_keeps_a_message_in_a_quorum_queue(amqp_uri: str) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(amqp_uri))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("kept", durable=True, arguments={"x-queue-type": "quorum"})

    channel.basic_publish("", "kept", b"body", mandatory=True)

    assert channel.basic_get("kept", auto_ack=True)[2] == b"body"
    connection.close()


def test_the_database_commits_a_transaction_and_ends_abandoned_ones_after_five_seconds(
    backing: Backing, database_prefix: str
) -> None:
    with MongoClient(backing.mongo_uri) as client:
        notes = client[f"{database_prefix}_devkit"].notes
        with client.start_session() as session, session.start_transaction():
            notes.insert_one({"_id": "kept"}, session=session)

        assert notes.count_documents({}) == 1
        if backing.kind != "environment":
            parameter = client.admin.command("getParameter", 1, transactionLifetimeLimitSeconds=1)
            assert parameter["transactionLifetimeLimitSeconds"] == 5


def test_a_database_on_this_machine_is_found_by_the_names_of_its_set(backing: Backing) -> None:
    if backing.kind != "native":
        pytest.skip("only there the set's names lead to its members")

    with MongoClient(backing.mongo_uri) as client:
        assert client.admin.command("hello")["me"] in backing.mongo_uri
    assert "directConnection" not in backing.mongo_uri
