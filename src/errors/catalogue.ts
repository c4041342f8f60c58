/** The texts and numbers of one code. */
export interface CatalogueEntry {
  /** One sentence with the names and numbers involved. */
  readonly sentence: string
  /** Advice to the user on the next step. */
  readonly hint: string
  /** HTTP status of the daemon's answer. */
  readonly status: number
  /** Exit code of the CLI. */
  readonly exit: number
}

/**
 * The catalogue of errors: every failure that Moorage reports has one of these codes.
 * `{name}` in a sentence is filled from the details that the error is created with.
 * docs/errors.md lists each with its cause and cure; a test holds the two together.
 */
export const catalogue = {
  USAGE: {
    sentence: '{reason}',
    hint: 'moorage --help lists the commands, moorage COMMAND --help the options of one',
    status: 400,
    exit: 2,
  },
  INVALID_REQUEST: {
    sentence: '{reason}',
    hint: 'see docs/http.md for what the daemon accepts',
    status: 400,
    exit: 2,
  },
  INVALID_DEFINITION: {
    sentence: 'the definition is not valid: {reason}',
    hint: 'each operation names earlier ones only and has no unknown field',
    status: 400,
    exit: 2,
  },
  INVALID_OPTION: {
    sentence: '{option}: {reason}',
    hint: 'correct the value and try again',
    status: 400,
    exit: 2,
  },
  INVALID_IMAGE: {
    sentence: 'the image reference "{ref}" is not valid: {reason}',
    hint: 'for example docker.io/library/redis:7 or mmdebstrap:bookworm?packages=redis-server',
    status: 400,
    exit: 2,
  },
  INVALID_ALIAS: {
    sentence: 'the alias "{alias}" is not usable: {reason}',
    hint: 'an alias is a host name of letters, digits, "-", "_" and dots, not localhost and not under moorage.internal',
    status: 400,
    exit: 2,
  },
  ALIAS_TWICE: {
    sentence: 'the alias "{alias}" is given to two different services in one client',
    hint: 'give one of them another alias',
    status: 400,
    exit: 2,
  },
  NO_COMMAND: {
    sentence: 'the image {image} has no entrypoint and no command, and the definition has no withExec',
    hint: 'say what to run: withExec([...]) or arguments after the image',
    status: 400,
    exit: 2,
  },
  NO_PORT: {
    sentence: 'the service {service} has no port: none was asked for and none is exposed',
    hint: 'add withExposedPort(port), or ask for endpoint({ port })',
    status: 400,
    exit: 2,
  },
  NOT_YET: {
    sentence: '{what} is not in this version of Moorage',
    hint: 'see CHANGELOG.md for what is',
    status: 501,
    exit: 2,
  },
  IMAGE_NOT_FOUND: {
    sentence: 'the image {ref} does not exist: {reason}',
    hint: 'check the name and the tag; a private registry also says so to those not signed in',
    status: 404,
    exit: 3,
  },
  PACKAGE_NOT_FOUND: {
    sentence: 'the packages of {ref} cannot be obtained: {reason}',
    hint: 'check the names with apt-cache policy, and that the suite exists',
    status: 404,
    exit: 3,
  },
  IMAGE_UNAUTHORIZED: {
    sentence: 'the registry refuses {ref}: {reason}',
    hint: 'sign in to the registry (credentials of the caller are not in this version)',
    status: 401,
    exit: 1,
  },
  REGISTRY_UNREACHABLE: {
    sentence: 'the registry of {ref} cannot be reached: {reason}',
    hint: 'check the network and the proxy settings of the daemon; images already pinned go on working',
    status: 502,
    exit: 1,
  },
  IMAGE_FAILED: {
    sentence: 'the image {ref} could not be made: {reason}',
    hint: 'the tool’s own words are above; moorage doctor checks the host',
    status: 502,
    exit: 1,
  },
  COMMAND_NOT_FOUND: {
    sentence: 'the command "{command}" does not exist in {image}',
    hint: 'check the spelling and PATH; images made of packages hold only what was asked for',
    status: 422,
    exit: 127,
  },
  COMMAND_NOT_EXECUTABLE: {
    sentence: 'the command "{command}" in {image} cannot be executed: {reason}',
    hint: 'it must be a program or script for this machine that the user may execute, from a directory that the user may enter',
    status: 422,
    exit: 126,
  },
  USER_NOT_FOUND: {
    sentence: 'the user "{user}" does not exist in {image}',
    hint: 'use a number, or a name of the image’s /etc/passwd',
    status: 422,
    exit: 1,
  },
  EXEC_FAILED: {
    sentence: '{command} exited with code {exitCode}',
    hint: 'its output says why; expect: "any" accepts every code',
    status: 422,
    exit: 1,
  },
  SERVICE_EXITED: {
    sentence: '{breadcrumbs}: exited with code {exitCode} {when}',
    hint: 'moorage logs shows what it wrote, moorage why what happened to it',
    status: 422,
    exit: 4,
  },
  HEALTH_TIMEOUT: {
    sentence: '{breadcrumbs}: not healthy after {timeout}: {checks}',
    hint: 'see what its checks ask for, and moorage logs; startTimeout gives it longer',
    status: 422,
    exit: 4,
  },
  HEALTH_FAILED: {
    sentence: '{breadcrumbs}: not healthy: {checks}',
    hint: 'moorage logs shows what it wrote; the check’s startPeriod and retries give it longer',
    status: 422,
    exit: 4,
  },
  STOPPED_BY_REQUEST: {
    sentence: '{breadcrumbs}: was stopped by request before it was healthy',
    hint: 'start it again',
    status: 409,
    exit: 1,
  },
  SERVICE_NOT_FOUND: {
    sentence: 'no service is called "{id}"',
    hint: 'moorage ps -a lists them',
    status: 404,
    exit: 3,
  },
  SERVICE_AMBIGUOUS: {
    sentence: '"{id}" may mean {candidates}',
    hint: 'use more characters of the ID, or name the network: --network NAME',
    status: 409,
    exit: 2,
  },
  SERVICE_NOT_RUNNING: {
    sentence: 'the service {service} is not running',
    hint: 'start() it, or bind it to a running client, first',
    status: 409,
    exit: 1,
  },
  START_CYCLE: {
    sentence: 'these services wait for each other to start: {path}',
    hint: 'break the circle: one of them must find the other by hostname, without a binding',
    status: 400,
    exit: 2,
  },
  HOSTNAME_TAKEN: {
    sentence: 'the hostname {hostname} is in use by another service, {holder}',
    hint: 'stop that one, or choose another withHostname()',
    status: 409,
    exit: 1,
  },
  OUTPUT_TOO_LARGE: {
    sentence: 'the {stream} of {command} is {size} bytes, more than {limit}',
    hint: 'follow it with moorage logs, or write it to a file',
    status: 413,
    exit: 1,
  },
  OUTPUT_LOST: {
    sentence: '{what} is lost: {reason}',
    hint: 'read it as fast as it comes, or let the daemon keep more of it: moorage daemon --log-limit',
    status: 410,
    exit: 1,
  },
  OUTPUT_UNWRITABLE: {
    sentence: '{stream}: {reason}',
    hint: 'see where the output of this command goes',
    status: 500,
    exit: 1,
  },
  BLOB_MISSING: {
    sentence: 'the directory {digest} was not sent to the daemon',
    hint: 'send it with PUT blobs/{digest}; the SDK does so by itself',
    status: 409,
    exit: 1,
  },
  BLOB_MISMATCH: {
    sentence: 'the directory that was sent as {digest} has the digest {actual}',
    hint: 'it changed while it was read: try again',
    status: 422,
    exit: 1,
  },
  DIRECTORY_UNREADABLE: {
    sentence: '{path} cannot be read: {reason}',
    hint: 'check that it exists and that you may read it; exclude leaves parts of a directory out',
    status: 400,
    exit: 1,
  },
  PATH_NOT_FOUND: {
    sentence: '{path} does not exist in {what}',
    hint: 'directory(…).entries() lists what is there; what was written into a mount is not',
    status: 404,
    exit: 3,
  },
  PATH_UNSUITABLE: {
    sentence: '{path} in {what}: {reason}',
    hint: 'use another path, or remove what is there first: withoutFile(), withoutDirectory()',
    status: 422,
    exit: 1,
  },
  FILE_TOO_LARGE: {
    sentence: 'the file has {size} bytes, more than {limit}',
    hint: 'export(path) writes it to a file as it comes',
    status: 413,
    exit: 1,
  },
  EXPORT_FAILED: {
    sentence: '{path} cannot be written: {reason}',
    hint: 'check the path, its permissions and the free space there',
    status: 400,
    exit: 1,
  },
  HTTP_FAILED: {
    sentence: '{url} could not be fetched: {reason}',
    hint: 'it is fetched from within the network: a service must be bound to be reached by its alias',
    status: 502,
    exit: 1,
  },
  CANCELLED: {
    sentence: 'cancelled: {reason}',
    hint: 'nothing more is done for this call',
    status: 499,
    exit: 130,
  },
  NOT_ROOT: {
    sentence: '{what} needs root, and this is user {uid}',
    hint: 'run it with sudo, or talk to a daemon that root runs (MOORAGE_HOST)',
    status: 500,
    exit: 1,
  },
  STATE_LOCKED: {
    sentence: 'another daemon (pid {pid}) uses the state directory {directory}',
    hint: 'talk to that one, or give this one its own --state-dir and --runtime-dir',
    status: 409,
    exit: 1,
  },
  STATE_UNREADABLE: {
    sentence: 'the state directory {directory} cannot be read: {reason}',
    hint: 'use the version of Moorage that wrote it, or move it away: everything in it but volumes/ can be made again',
    status: 500,
    exit: 1,
  },
  SUBNET_IN_USE: {
    sentence: 'the subnet {subnet} cannot be used: {reason}',
    hint: 'choose another with --subnet, or leave it out and a free one is chosen',
    status: 409,
    exit: 1,
  },
  NO_SUBNET: {
    sentence: 'a network cannot choose a subnet: {reason}',
    hint: 'choose one with --subnet: of moorage network create, or of moorage daemon for the network default',
    status: 409,
    exit: 1,
  },
  NETWORK_NOT_FOUND: {
    sentence: 'there is no network "{network}"',
    hint: 'moorage network ls shows those there are',
    status: 404,
    exit: 3,
  },
  NETWORK_EXISTS: {
    sentence: 'the network "{network}" exists already, with other settings: {reason}',
    hint: 'remove it first, or choose another name',
    status: 409,
    exit: 1,
  },
  NETWORK_IN_USE: {
    sentence: 'the network "{network}" is in use: {what}',
    hint: 'stop what is in it: moorage --network NAME status shows it',
    status: 409,
    exit: 1,
  },
  NETWORK_PROBLEM: {
    sentence: 'the network "{network}": {problem}',
    hint: 'moorage doctor looks at what is around it; moorage network inspect shows the network',
    status: 500,
    exit: 1,
  },
  PORT_UNUSABLE: {
    sentence: 'the port {port} at {address} of this host cannot lead to a container: {reason}',
    hint: 'choose another port, or 0 for any that is free; ss -lntup shows who has it',
    status: 409,
    exit: 1,
  },
  NETWORK_FAILED: {
    sentence: 'the network could not be set up: {reason}',
    hint: 'moorage doctor checks what it needs',
    status: 500,
    exit: 1,
  },
  DNS_FAILED: {
    sentence: 'the DNS server could not start: {reason}',
    hint: 'choose another --listen, or see which process has that port: ss -lnptu',
    status: 500,
    exit: 1,
  },
  DISK_FULL: {
    sentence: 'no space is left for {what} ({path})',
    hint: 'free some space there, or move the state with --state-dir',
    status: 507,
    exit: 1,
  },
  DISK_LOW: {
    sentence: 'only {free} are free on the filesystem of {path}, less than {needed}',
    hint: 'free some space there, or move the state with --state-dir',
    status: 507,
    exit: 1,
  },
  RUNTIME_MISSING: {
    sentence: 'the embedded runtime needs {what}, which this host lacks',
    hint: 'moorage setup installs it; moorage doctor checks everything',
    status: 500,
    exit: 1,
  },
  RUNTIME_FAILED: {
    sentence: 'the container {id} could not be started: {reason}',
    hint: 'moorage doctor checks what the runtime needs',
    status: 500,
    exit: 125,
  },
  HOST_UNSUITABLE: {
    sentence: 'this host cannot run containers: {reason}',
    hint: '{remedy}',
    status: 500,
    exit: 1,
  },
  HOST_UNSUPPORTED: {
    sentence: '{reason}',
    hint: 'on macOS and Windows a virtual machine with Debian or Ubuntu (Lima, WSL 2) is the way; on Alpine, a container with Debian',
    status: 500,
    exit: 1,
  },
  VOLUME_DEADLOCK: {
    sentence: 'waiting for the locked volume {volume} would never end: {path}',
    hint: 'let only one of them lock it, or mount it shared',
    status: 409,
    exit: 1,
  },
  PLATFORM_UNSUPPORTED: {
    sentence: 'this host cannot run the platform {platform}: it is {host}',
    hint: 'leave platform out, or use a daemon on a machine of that kind',
    status: 422,
    exit: 1,
  },
  OUT_OF_MEMORY: {
    sentence: '{command} was killed for lack of memory: it may use {limit}',
    hint: 'withResources({ memory }) gives it more',
    status: 422,
    exit: 1,
  },
  SERVICES_DNS_OFF: {
    sentence: 'this daemon runs with MOORAGE_SERVICES_DNS=0: it has no service network',
    hint: 'start it without that setting to use bindings',
    status: 409,
    exit: 1,
  },
  DAEMON_UNREACHABLE: {
    sentence: 'no daemon answers at {host}: {reason}',
    hint: 'start one with moorage daemon, or set MOORAGE_HOST',
    status: 502,
    exit: 5,
  },
  DAEMON_START_FAILED: {
    sentence: 'a daemon was started but did not come up: {reason}',
    hint: 'moorage doctor checks the host; moorage daemon in the foreground shows more',
    status: 502,
    exit: 5,
  },
  DAEMON_STOPPING: {
    sentence: 'the daemon is stopping',
    hint: 'call again: connect() starts a new one',
    status: 503,
    exit: 5,
  },
  INTERNAL: {
    sentence: 'something went wrong inside Moorage: {reason}',
    hint: 'please report it, with the daemon’s log',
    status: 500,
    exit: 1,
  },
} as const satisfies Record<string, CatalogueEntry>

export type ErrorCode = keyof typeof catalogue
