"""A real Kafka broker for the suites: Apache Kafka in KRaft mode on free ports, with a data folder of its own.

From Python: broker = Broker(folder); broker.start(); broker.bootstrap; broker.kill(); broker.start(); broker.stop().
By hand: python3 tests/e2e/kafka_broker.py FOLDER [--tls] [--sasl] runs one until it is interrupted, and prints its
address.

Needs java and the jars that `deploy/build/install-deps.sh test` puts into build/kafka (KAFKA_LIBS names another
folder). Where the broker cannot start, that is an error: nothing is left out."""

import atexit
import glob
import os
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.path[:0] = glob.glob(os.path.join(ROOT, "build", "venv", "lib", "python3*", "site-packages"))
from serving import World, free_port  # noqa: E402

LIBS = os.environ.get("KAFKA_LIBS") or os.path.join(ROOT, "build", "kafka")
USER, PASSWORD = "countersign", "s3cret-of-countersign"
LIMITED, LIMITED_PASSWORD = "nobody", "s3cret-of-nobody"
FLAGS = ["-Xms128m", "-Xmx640m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:CICompilerCount=1"]
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"


class Broker:
    """One node, broker and controller. Listeners: plain always; `tls` adds one with a certificate of its own; `sasl`
    one with TLS and SASL (PLAIN and SCRAM-SHA-256), where LIMITED may do nothing and USER everything."""

    def __init__(self, folder, partitions=4, tls=False, sasl=False):
        self.folder, self.partitions = os.path.abspath(folder), partitions
        self.tls, self.sasl = tls or sasl, sasl
        os.makedirs(self.folder, exist_ok=True)
        self.port, self.controller = free_port(), free_port()
        self.tls_port, self.sasl_port = free_port(), free_port()
        self.process = self.client = None
        atexit.register(self.kill)
        if self.tls:
            self.make_certificate()
        self.configure()

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def tls_bootstrap(self):
        return f"127.0.0.1:{self.tls_port}"

    @property
    def sasl_bootstrap(self):
        return f"127.0.0.1:{self.sasl_port}"

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def make_certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"]
            + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
            + ["-keyout", self.path("key.pem"), "-out", self.path("ca.pem")],
            check=True,
            capture_output=True,
        )
        with open(self.path("store.pem"), "w") as out:
            out.write(open(self.path("key.pem")).read() + open(self.path("ca.pem")).read())

    def configure(self):
        names = ["PLAINTEXT", "CONTROLLER"] + (["SSL"] if self.tls else []) + (["SASL_SSL"] if self.sasl else [])
        ports = {"PLAINTEXT": self.port, "CONTROLLER": self.controller}
        ports.update({"SSL": self.tls_port, "SASL_SSL": self.sasl_port})
        jaas = "org.apache.kafka.common.security"
        lines = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": ",".join(f"{n}://127.0.0.1:{ports[n]}" for n in names),
            "advertised.listeners": ",".join(f"{n}://127.0.0.1:{ports[n]}" for n in names if n != "CONTROLLER"),
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL",
            "log.dirs": self.path("logs"),
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 300,
            "num.partitions": self.partitions,
            "offsets.topic.num.partitions": 1,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "log.retention.check.interval.ms": 500,
            "log.initial.task.delay.ms": 200,
            "file.delete.delay.ms": 100,
        }
        if self.tls:
            lines.update(
                {
                    "ssl.keystore.type": "PEM",
                    "ssl.keystore.location": self.path("store.pem"),
                    "ssl.truststore.type": "PEM",
                    "ssl.truststore.location": self.path("ca.pem"),
                }
            )
        if self.sasl:
            users = f'user_{USER}="{PASSWORD}" user_{LIMITED}="{LIMITED_PASSWORD}"'
            lines.update(
                {
                    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
                    "listener.name.sasl_ssl.plain.sasl.jaas.config": f"{jaas}.plain.PlainLoginModule required {users};",
                    "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config":
                        f"{jaas}.scram.ScramLoginModule required;",
                    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                    "super.users": f"User:ANONYMOUS;User:{USER}",
                }
            )
        with open(self.path("server.properties"), "w") as out:
            out.writelines(f"{k}={v}\n" for k, v in lines.items())

    def java(self, *arguments, **how):
        if not glob.glob(os.path.join(LIBS, "kafka_*.jar")):
            raise RuntimeError(f"no Kafka in {LIBS}: run deploy/build/install-deps.sh test")
        return subprocess.Popen(
            ["java", *FLAGS, "-cp", os.path.join(HERE, "kafka") + ":" + os.path.join(LIBS, "*"), *arguments],
            start_new_session=True,
            cwd=self.folder,
            **how,
        )

    def format(self):
        scram = [] if not self.sasl else ["--add-scram", f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"]
        done = self.java(
            *["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", self.path("server.properties"), *scram],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        text = done.communicate(timeout=60)[0].decode("utf-8", "replace")
        if done.returncode != 0:
            raise RuntimeError("kafka: format failed:\n" + text[-3000:])

    def launch(self):
        """Starts it without waiting; call `ready` before use."""
        if not os.path.isdir(self.path("logs")):
            self.format()
        log = open(self.path("broker.log"), "ab")
        self.process = self.java("kafka.Kafka", self.path("server.properties"), stdout=log, stderr=log)

    def ready(self, seconds=60):
        from confluent_kafka import KafkaException

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                if self.admin().list_topics(timeout=2).brokers:
                    return self
            except KafkaException:
                time.sleep(0.1)
        text = open(self.path("broker.log"), "rb").read()[-3000:].decode("utf-8", "replace")
        raise RuntimeError("kafka: the broker did not start:\n" + text)

    def start(self):
        self.launch()
        return self.ready()

    def end(self, how):
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, how)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(30)

    def stop(self):
        self.end(signal.SIGTERM)

    def kill(self):
        self.end(signal.SIGKILL)

    def pause(self):
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.killpg(self.process.pid, signal.SIGCONT)

    # ---- topics

    def admin(self):
        from confluent_kafka.admin import AdminClient

        if self.client is None:  # it must outlive what it is asked
            self.client = AdminClient(
                {"bootstrap.servers": self.bootstrap, "log_level": 0, "socket.timeout.ms": 10000}
            )
        return self.client

    def create(self, *topics, partitions=None, config=None):
        from confluent_kafka.admin import NewTopic

        new = [NewTopic(t, partitions or self.partitions, 1, config=config or {}) for t in topics]
        for done in self.admin().create_topics(new).values():
            done.result(20)

    def delete(self, *topics):
        for done in self.admin().delete_topics(list(topics)).values():
            done.result(20)

    def grow(self, topic, partitions):
        from confluent_kafka.admin import NewPartitions

        for done in self.admin().create_partitions([NewPartitions(topic, partitions)]).values():
            done.result(20)

    def cut(self, topic, partition, offset):
        """Deletes the records before `offset`, as retention does."""
        from confluent_kafka import TopicPartition

        for done in self.admin().delete_records([TopicPartition(topic, partition, offset)]).values():
            done.result(20)

    def producer(self, **properties):
        from confluent_kafka import Producer

        names = {k.replace("_", "."): v for k, v in properties.items()}
        return Producer({"bootstrap.servers": self.bootstrap, "log_level": 0, "linger.ms": 5, **names})

    def read(self, topic, seconds=10, want=None):
        """All records of a topic up to its end, or `want` of them."""
        from confluent_kafka import Consumer, TopicPartition

        c = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader", "log_level": 0,
                      "auto.offset.reset": "earliest", "enable.auto.commit": False})
        got, end = [], time.monotonic() + seconds
        try:
            parts = c.list_topics(topic, timeout=10).topics[topic].partitions
            high = {p: c.get_watermark_offsets(TopicPartition(topic, p), timeout=10) for p in parts}
            total = want if want is not None else sum(h - low for low, h in high.values())
            c.assign([TopicPartition(topic, p, low) for p, (low, _) in high.items()])
            while len(got) < total and time.monotonic() < end:
                m = c.poll(0.2)
                if m is not None and m.error() is None:
                    got.append(m)
        finally:
            c.close()
        return got


class Replicated:
    """For worlds (serving.World beside it): a broker of their own, and journals of two topics each."""

    def __init__(self):
        super().__init__()
        self.broker = Broker(self.path("kafka"), partitions=2).start()

    def journal(self, name):
        self.broker.create(name, name + ".own", partitions=2)
        topics = {"spend": name, "own": name + ".own"}
        return {
            "kafka": {"brokers": [self.broker.bootstrap], "topics": topics},
            "snapshot": {"path": self.path(name + ".rows")},
        }


class KafkaWorld(Replicated, World):
    pass


def main():
    folder = next((a for a in sys.argv[1:] if not a.startswith("--")), None)
    if folder is None:
        sys.exit("usage: kafka_broker.py FOLDER [--tls] [--sasl]")
    broker = Broker(folder, tls="--tls" in sys.argv, sasl="--sasl" in sys.argv).start()
    print(broker.bootstrap, broker.tls_bootstrap if broker.tls else "", broker.sasl_bootstrap if broker.sasl else "",
          flush=True)
    try:
        broker.process.wait()
    except KeyboardInterrupt:
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
