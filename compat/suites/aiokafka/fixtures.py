

# Some tests are named by what is drawn at random when they are collected.
import random

random.seed(0)


# In the place of the fixtures above that start a container with a broker: the node is there already.
@pytest.fixture(scope="session")
def docker():
    return None


@pytest.fixture(scope="session")
def kafka_image(request):
    return request.config.getoption("--docker-image")


@pytest.fixture(scope="session")
def ssl_folder():
    return pathlib.Path("tests/ssl_cert")


@pytest.fixture(scope="session")
def kafka_server():
    return KafkaServer("127.0.0.1", 9092, 1, 1, 1, None)


@pytest.fixture(scope="class")
def acl_manager():
    return None


@pytest.fixture(scope="class")
def kerberos_utils():
    return None


@pytest.fixture(scope="class")
def kafka_config():
    return None
