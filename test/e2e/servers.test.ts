import t, { type Test } from 'tap'
import type { Container, Moorage } from '../../src/index.ts'
import { ownDirectories, startDaemon } from './own-daemon.ts'

t.setTimeout(1_200_000)

const long = process.env.MOORAGE_LONG === '1'

interface Server {
  readonly name: string
  readonly packages: string
  /** In every run: the others are of the long mode. */
  readonly quick?: true
  /** At most ten lines each, as a user writes them. docs/images.md has them too. */
  show(box: Container, t: Test): Promise<void>
}

const servers: Server[] = [
  {
    name: 'PostgreSQL',
    packages: 'postgresql-15,redis-server,redis-tools',
    quick: true,
    async show(box, t) {
      const db = box
        .withUser('postgres')
        .withExec(['sh', '-c', 'echo host all all all trust >>/etc/postgresql/15/main/pg_hba.conf'])
        .withExposedPort(5432)
        .withExec(['/usr/lib/postgresql/15/bin/postgres', '-D', '/etc/postgresql/15/main', '-h', '*'])
      const psql = ['psql', '-h', 'db', '-U', 'postgres', '-Atc', 'show server_encoding']
      t.equal(await box.withServiceBinding('db', db).withExec(psql).stdout(), 'UTF8\n')
    },
  },
  {
    name: 'Redis',
    packages: 'postgresql-15,redis-server,redis-tools',
    quick: true,
    async show(box, t) {
      const redis = box
        .withUser('redis')
        .withExposedPort(6379)
        .withExec([
          'redis-server',
          '/etc/redis/redis.conf',
          '--bind',
          '*',
          '--protected-mode',
          'no',
          '--daemonize',
          'no',
        ])
      const ping = ['redis-cli', '-h', 'redis', 'ping']
      t.equal(await box.withServiceBinding('redis', redis).withExec(ping).stdout(), 'PONG\n')
    },
  },
  {
    name: 'MariaDB',
    packages: 'mariadb-server',
    async show(box, t) {
      const db = box
        .withNewFile('/etc/mysql/init.sql', "create user app@'%';\ngrant all on *.* to app@'%';")
        .withUser('mysql')
        .withExposedPort(3306)
        .withExec(['mariadbd', '--bind-address=*', '--init-file=/etc/mysql/init.sql'])
      const client = ['mariadb', '-h', 'db', '-u', 'app', '-Nse', 'select @@version_comment']
      t.match(await box.withServiceBinding('db', db).withExec(client).stdout(), /Debian/)
    },
  },
  {
    name: 'RabbitMQ',
    packages: 'amqp-tools,rabbitmq-server',
    async show(box, t) {
      const mq = box
        .withNewFile('/etc/rabbitmq/rabbitmq.conf', 'loopback_users = none\n')
        .withUser('rabbitmq')
        .withExposedPort(5672)
        .withExec(['rabbitmq-server'])
      const client = box.withServiceBinding('mq', mq).withEnvVariable('AMQP', '--url=amqp://mq')
      const script =
        'amqp-declare-queue $AMQP -q q && amqp-publish $AMQP -r q -b hello && amqp-get $AMQP -q q'
      t.match(await client.withExec(['sh', '-c', script]).stdout(), /hello/)
    },
  },
  {
    name: 'nginx',
    packages: 'curl,nginx',
    async show(box, t) {
      const www = box.withExposedPort(80).withExec(['nginx', '-g', 'daemon off;'])
      t.match(await box.withServiceBinding('www', www).withExec(['curl', '-s', 'www']).stdout(), 'nginx')
    },
  },
  {
    name: 'Apache',
    packages: 'apache2,curl',
    async show(box, t) {
      const www = box.withExposedPort(80).withExec(['apachectl', '-D', 'FOREGROUND'])
      t.match(await box.withServiceBinding('www', www).withExec(['curl', '-s', 'www']).stdout(), 'Apache2')
    },
  },
  {
    name: 'HAProxy',
    packages: 'curl,haproxy',
    async show(box, t) {
      const front =
        'frontend www\n bind :80\n http-request return status 200 content-type text/plain string hello\n'
      const proxy = box
        .withNewFile('/etc/haproxy/front.cfg', front)
        .withExposedPort(80)
        .withExec(['haproxy', '-db', '-f', '/etc/haproxy/haproxy.cfg', '-f', '/etc/haproxy/front.cfg'])
      const ask = ['curl', '-s', 'proxy']
      t.equal(await box.withServiceBinding('proxy', proxy).withExec(ask).stdout(), 'hello')
    },
  },
  {
    name: 'Mosquitto',
    packages: 'mosquitto,mosquitto-clients',
    async show(box, t) {
      const broker = box
        .withNewFile('/etc/mosquitto/conf.d/open.conf', 'listener 1883\nallow_anonymous true\n')
        .withUser('mosquitto')
        .withExposedPort(1883)
        .withExec(['mosquitto', '-c', '/etc/mosquitto/mosquitto.conf'])
      const script = 'mosquitto_pub -h mqtt -r -t a -m hello && mosquitto_sub -h mqtt -t a -C 1'
      const client = box.withServiceBinding('mqtt', broker).withExec(['sh', '-c', script])
      t.equal(await client.stdout(), 'hello\n')
    },
  },
  {
    name: 'memcached',
    packages: 'memcached,netcat-openbsd',
    async show(box, t) {
      const cache = box.withUser('memcache').withExposedPort(11211).withExec(['memcached', '-l', '0.0.0.0'])
      const script = String.raw`printf 'set a 0 0 2\r\nhi\r\nget a\r\nquit\r\n' | nc cache 11211`
      const client = box.withServiceBinding('cache', cache).withExec(['sh', '-c', script])
      t.match(await client.stdout(), /VALUE a 0 2\r\nhi/)
    },
  },
  {
    name: 'etcd',
    packages: 'etcd-client,etcd-server',
    async show(box, t) {
      const urls = ['--listen-client-urls=http://0.0.0.0:2379', '--advertise-client-urls=http://etcd:2379']
      const etcd = box
        .withUser('etcd')
        .withExposedPort(2379)
        .withExec(['etcd', '--data-dir=/var/lib/etcd/default', ...urls])
      const script = 'etcdctl --endpoints=etcd:2379 put a hello && etcdctl --endpoints=etcd:2379 get a'
      const client = box.withServiceBinding('etcd', etcd).withEnvVariable('ETCDCTL_API', '3')
      t.equal(await client.withExec(['sh', '-c', script]).stdout(), 'OK\na\nhello\n')
    },
  },
  {
    name: 'NATS',
    packages: 'nats-server,netcat-openbsd',
    async show(box, t) {
      const nats = box.withUser('nats').withExposedPort(4222).withExec(['nats-server', '-a', '0.0.0.0'])
      const script = String.raw`printf 'CONNECT {}\r\nPING\r\n' | nc -q 2 nats 4222 | grep -m 1 PONG`
      const client = box.withServiceBinding('nats', nats).withExec(['sh', '-c', script])
      t.equal(await client.stdout(), 'PONG\r\n')
    },
  },
  {
    name: 'BIND',
    packages: 'bind9,bind9-dnsutils',
    async show(box, t) {
      const ns = box.withExposedPort(53).withExec(['named', '-f', '-u', 'bind'])
      const dig = ['sh', '-c', 'dig @$(getent hosts ns | cut -d " " -f 1) localhost +short']
      t.equal(await box.withServiceBinding('ns', ns).withExec(dig).stdout(), '127.0.0.1\n')
    },
  },
  {
    name: 'dnsmasq',
    packages: 'bind9-dnsutils,dnsmasq',
    async show(box, t) {
      const ns = box.withExposedPort(53).withExec(['dnsmasq', '-k', '--address=/a.test/192.0.2.7'])
      const dig = ['sh', '-c', 'dig @$(getent hosts ns | cut -d " " -f 1) a.test +short']
      t.equal(await box.withServiceBinding('ns', ns).withExec(dig).stdout(), '192.0.2.7\n')
    },
  },
  {
    name: 'slapd',
    packages: 'ldap-utils,slapd',
    async show(box, t) {
      const ldap = box
        .withExposedPort(389)
        .withExec(['slapd', '-d', '0', '-u', 'openldap', '-g', 'openldap', '-h', 'ldap:/// ldapi:///'])
      const ask = ['ldapsearch', '-x', '-LLL', '-H', 'ldap://ldap', '-b', '', '-s', 'base', 'namingContexts']
      t.match(await box.withServiceBinding('ldap', ldap).withExec(ask).stdout(), 'dc=nodomain')
    },
  },
  {
    name: 'a Java program',
    packages: 'curl,default-jdk-headless',
    async show(box, t) {
      const server = box
        .withNewFile('/srv/Hello.java', hello)
        .withUser('www-data')
        .withExposedPort(8080)
        .withExec(['java', '/srv/Hello.java'])
      const ask = ['curl', '-s', 'java:8080']
      t.equal(await box.withServiceBinding('java', server).withExec(ask).stdout(), 'hello')
    },
  },
]

/** What the Java program is: of the JDK alone. */
const hello = `
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

class Hello {
  public static void main(String[] args) throws Exception {
    HttpServer server = HttpServer.create(new InetSocketAddress(8080), 0);
    server.createContext("/", exchange -> {
      exchange.sendResponseHeaders(200, 5);
      exchange.getResponseBody().write("hello".getBytes());
      exchange.close();
    });
    server.start();
  }
}
`

/** One daemon for all: an image that two of them ask for is built once. */
t.test('servers of Debian packages, as services with a bound client (F19, F19b, F19d)', async (t) => {
  using directories = ownDirectories()
  await using daemon = await startDaemon(directories, '--grace', '0')
  await using moorage: Moorage = await daemon.connect()
  for (const { name, packages, quick, show } of servers) {
    if (!quick && !long) continue
    await t.test(name, (t) => show(moorage.container().from(`mmdebstrap:bookworm?packages=${packages}`), t))
  }
})
