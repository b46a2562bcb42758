/**
 * `npm run prove:containers`: the image of docker/ as three nodes on a private network behind the balancer, one of them
 * cut off, one killed, and the store checked. docker/compose.yaml starts them where there is a Compose; else they are
 * started one by one, and the last line says that.
 *
 *     npm run prove:containers                  the base is made of Debian packages (debootstrap)
 *     npm run prove:containers -- --base DIR    the base is this folder, a root file system
 *
 * Nothing is pulled. The daemon of Docker is one of its own, in namespaces of its own for processes, mounts and networks:
 * when its first process is killed, containers, mounts and networks are gone with it. Root on Linux only.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from './run-command.ts';

const root = join(import.meta.dirname, '..');
const nodes = ['n1', 'n2', 'n3'];
/** Debian's own command line and daemon fit each other; another `docker` in the path need not. */
const docker = existsSync('/usr/bin/docker') ? '/usr/bin/docker' : 'docker';
const project = 'holdfast';
const members = nodes.map((name) => `${name}=${name}:9400`).join(',');
const keys = { id: 'prove', secret: randomBytes(16).toString('hex') };
const bigBytes = 12 * 1024 * 1024;

/** How the nodes were started. */
interface Deployment {
  readonly network: string;
  /** By node. */
  readonly containers: ReadonlyMap<string, string>;
  readonly volumeOf: (name: string) => string;
  /** The program that ran compose.yaml, and its version; undefined where there was none. */
  readonly compose: string | undefined;
}

process.exitCode = await main(process.argv.slice(2));

async function main(words: readonly string[]): Promise<number> {
  const missing = await whatIsMissing(words);
  if (missing !== undefined) {
    process.stdout.write(`containers: not proven, ${missing}\n`);
    return 2;
  }
  const folder = mkdtempSync(join(tmpdir(), 'hf-containers-'));
  let daemon: ChildProcess | undefined;
  try {
    const base =
      words[0] === '--base' ? (words[1] as string) : await makeBase(join(folder, 'base'));
    daemon = await startDaemon(folder);
    await buildImages(folder, base);
    const compose = await proveCluster(folder);
    const how = compose ?? 'without compose.yaml: no Compose is installed (Debian: docker-compose)';
    process.stdout.write(`containers: proven, ${how}\n`);
    return 0;
  } catch (error) {
    process.stdout.write(`containers: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await stopDaemon(daemon, folder);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function whatIsMissing(words: readonly string[]): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it takes root on Linux';
  const tools = ['dockerd', docker, 'unshare', ...(words[0] === '--base' ? [] : ['debootstrap'])];
  for (const tool of tools) {
    const { code } = await runCommand('sh', ['-c', `command -v ${tool}`], root);
    if (code !== 0) return `${tool} is not installed (Debian: docker.io, debootstrap)`;
  }
  return undefined;
}

/** A small Debian with nginx for the balancer, and the Node.js that runs this. */
async function makeBase(base: string): Promise<string> {
  say('making a base of Debian packages');
  const more = ['--variant=minbase', '--include=nginx-light'];
  await run('debootstrap', [...more, 'stable', base]);
  return base;
}

async function startDaemon(folder: string): Promise<ChildProcess> {
  say('starting a daemon of its own');
  const options = [
    '--data-root',
    join(folder, 'data'),
    '--exec-root',
    join(folder, 'exec'),
    '--host',
    socketOf(folder),
    '--pidfile',
    join(folder, 'pid'),
    '--cgroup-parent',
    cgroupOf(folder),
  ];
  // Why another /run: the daemon leaves things there.
  const inside = `mount -t tmpfs none /run; ip link set lo up; exec dockerd ${options.join(' ')} > ${join(folder, 'log')} 2>&1`;
  const own = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const daemon = spawn('unshare', [...own, 'sh', '-c', inside], { stdio: 'ignore' });
  process.env['DOCKER_HOST'] = socketOf(folder);
  await until('the daemon answers', async () => (await tryDocker('version')).code === 0);
  return daemon;
}

async function stopDaemon(daemon: ChildProcess | undefined, folder: string): Promise<void> {
  if (daemon === undefined) return;
  const gone = new Promise((resolve) => daemon.once('exit', resolve));
  // The first process of its namespace: with it the kernel ends every other one in there.
  daemon.kill('SIGKILL');
  await gone;
  const parent = cgroupOf(folder).slice(1);
  const find = `find /sys/fs/cgroup -depth -type d -path '*/${parent}*' -exec rmdir {} +`;
  await until('its control groups are empty', async () => {
    await runCommand('sh', ['-c', find], root);
    const { output } = await runCommand(
      'sh',
      ['-c', `find /sys/fs/cgroup -name '${parent}'`],
      root,
    );
    return output.trim() === '';
  });
}

async function buildImages(folder: string, base: string): Promise<void> {
  say('building the images');
  const context = join(folder, 'context');
  mkdirSync(context);
  cpSync(join(root, 'docker', 'Dockerfile'), join(context, 'Dockerfile'));
  await run(process.execPath, [
    ...process.execArgv,
    join(root, 'scripts', 'make-app.ts'),
    join(context, 'app'),
  ]);
  cpSync(process.execPath, join(base, 'usr', 'local', 'bin', 'node'), { dereference: true });
  const left = ['var/cache', 'var/lib/apt', 'usr/share/doc', 'usr/share/locale', 'proc', 'sys'];
  const excluded = left.map((path) => `--exclude=./${path}`).join(' ');
  await run('sh', ['-c', `tar -C ${base} ${excluded} -c . | ${docker} import - base`]);
  await inDocker('build', '--build-arg', 'BASE=base', '-t', 'holdfast', context);
}

/** What compose.yaml was run by, if it was. */
async function proveCluster(folder: string): Promise<string | undefined> {
  await buildBalancer(folder);
  const deployment = (await compose(folder)) ?? (await startAlone());
  const { network, containers } = deployment;
  const containerOf = (name: string): string => containers.get(name) as string;
  const isHealthy = async (name: string): Promise<boolean> =>
    (await healthOf(containerOf(name))) === 'healthy';
  await until('every node is healthy', async () => {
    return (await Promise.all(nodes.map(isHealthy))).every((healthy) => healthy);
  });
  const user = await inDocker('exec', containerOf('n1'), 'node', '-p', 'process.getuid()');
  if (user.trim() !== '10001') throw new Error(`a node runs as user ${user.trim()}`);

  await ask(network, `await client.put('', ''); await client.put('before', 'written by all')`);
  say('one is cut off');
  const cut = await leaderName(containers);
  await inDocker('network', 'disconnect', network, containerOf(cut));
  await ask(
    network,
    `await client.put('cut', 'written by two'); await client.expectBody('before', 'written by all')`,
  );
  // It comes back with another address, since somebody else has its own.
  const idle = ['--entrypoint', 'node', 'holdfast', '-e', 'setInterval(() => 0, 1e6)'];
  await inDocker('run', '-d', '--network', network, ...idle);
  await inDocker('network', 'connect', '--alias', cut, network, containerOf(cut));
  await until('it is healthy again', () => isHealthy(cut));

  say('one is killed');
  const killed = await leaderName(containers);
  await inDocker('kill', '--signal', 'KILL', containerOf(killed));
  await ask(
    network,
    `await client.put('killed', 'written by the other two'); await client.putBig('big', ${bigBytes})`,
  );
  await inDocker('start', containerOf(killed));
  await until('it is healthy again', () => isHealthy(killed));
  await proveStore(deployment);
  return deployment.compose;
}

async function proveStore({ network, containers, volumeOf, compose }: Deployment): Promise<void> {
  say('the store is checked');
  for (const name of nodes) {
    await ask(
      network,
      `await client.expectBody('before', 'written by all'); await client.expectBody('cut', 'written by two');
       await client.expectBody('killed', 'written by the other two'); await client.expectBig('big', ${bigBytes})`,
      `http://${name}:9000`,
    );
  }
  // The one port before all nodes, as it is published.
  const published = 'http://127.0.0.1:9000';
  if (compose !== undefined)
    await ask('host', `await client.expectBody('cut', 'written by two')`, published);
  await proveStop(containers, volumeOf);
}

/** Runs compose.yaml itself; undefined where there is no Compose. */
async function compose(folder: string): Promise<Deployment | undefined> {
  for (const [program = '', ...words] of [['docker-compose'], [docker, 'compose']]) {
    const version = await runCommand(program, [...words, 'version', '--short'], root).catch(
      () => undefined,
    );
    if (version?.code !== 0) continue;
    say('three nodes and a balancer, by compose.yaml');
    const file = join(root, 'docker', 'compose.yaml');
    const settings = join(folder, 'settings');
    writeFileSync(
      settings,
      `HOLDFAST_ACCESS_KEY=${keys.id}\nHOLDFAST_SECRET_KEY=${keys.secret}\nNGINX_IMAGE=balancer\n`,
    );
    const composing = [...words, '--project-name', project, '--file', file, '--env-file', settings];
    await run(program, [...composing, 'up', '--detach']);
    const containers = new Map<string, string>();
    for (const name of nodes) {
      containers.set(name, (await run(program, [...composing, 'ps', '--quiet', name])).trim());
    }
    return {
      network: `${project}_default`,
      containers,
      volumeOf: (name) => `${project}_${name}`,
      compose: `by ${program} ${version.output.trim()} from docker/compose.yaml`,
    };
  }
  return undefined;
}

/** The same without a Compose. */
async function startAlone(): Promise<Deployment> {
  say('three nodes and a balancer, one by one');
  const network = 'peers';
  await inDocker('network', 'create', network);
  await inDocker('volume', 'create', 'secret');
  const secret = ['--network', 'none', '-v', 'secret:/secret'];
  await inDocker('run', '--rm', ...secret, 'holdfast', 'secret', '/secret/cluster');
  for (const name of nodes) await startNode(network, name);
  await inDocker('run', '-d', '--name', 'balancer', '--network', network, 'balancer');
  const containers = new Map(nodes.map((name) => [name, name]));
  return { network, containers, volumeOf: (name) => name, compose: undefined };
}

async function startNode(network: string, name: string): Promise<void> {
  await inDocker(
    'run',
    '-d',
    '--name',
    name,
    '--hostname',
    name,
    '--network',
    network,
    '-v',
    `${name}:/data`,
    '-v',
    'secret:/secret:ro',
    '-e',
    `HOLDFAST_NODE=${name}`,
    '-e',
    `HOLDFAST_CLUSTER=${members}`,
    '-e',
    'HOLDFAST_CLUSTER_SECRET_FILE=/secret/cluster',
    '-e',
    'HOLDFAST_PEER_LISTEN=0.0.0.0:9400',
    '-e',
    `HOLDFAST_ACCESS_KEY=${keys.id}`,
    '-e',
    `HOLDFAST_SECRET_KEY=${keys.secret}`,
    '--health-interval',
    '1s',
    'holdfast',
    'serve',
    '--host',
    '0.0.0.0',
    '--data',
    '/data',
  );
}

/** The balancer of compose.yaml, with its configuration, from the same base. */
async function buildBalancer(folder: string): Promise<void> {
  const context = join(folder, 'balancer');
  mkdirSync(context);
  cpSync(join(root, 'docker', 'nginx.conf'), join(context, 'nginx.conf'));
  writeFileSync(
    join(context, 'Dockerfile'),
    'FROM base\nCOPY nginx.conf /etc/nginx/nginx.conf\nCMD ["nginx", "-g", "daemon off;"]\n',
  );
  await inDocker('build', '-t', 'balancer', context);
}

/** All are stopped by their signal, in order: code 0, and nothing is left to recover. */
async function proveStop(
  containers: Deployment['containers'],
  volumeOf: Deployment['volumeOf'],
): Promise<void> {
  for (const [name, container] of containers) {
    await inDocker('stop', '--time', '15', container);
    const code = (await inDocker('inspect', '--format', '{{.State.ExitCode}}', container)).trim();
    if (code !== '0') throw new Error(`${name} ended with code ${code}`);
  }
  const verify = ['--network', 'none', '-v', `${volumeOf('n1')}:/data`];
  await inDocker('run', '--rm', ...verify, 'holdfast', 'verify', '--data', '/data');
}

/** Runs a client on a network; `script` calls it `client`. */
async function ask(
  network: string,
  script: string,
  endpoint = 'http://balancer:9000',
): Promise<void> {
  const settings = JSON.stringify({ endpoint, bucket: 'proof', ...keys });
  const opened = `import { Client } from '/client.mjs'; const client = new Client(${settings});`;
  await inDocker(
    'run',
    '--rm',
    '--network',
    network,
    '--entrypoint',
    'node',
    '-v',
    `${join(root, 'scripts', 'container-client.mjs')}:/client.mjs:ro`,
    'holdfast',
    '--input-type=module',
    '-e',
    `${opened}\n${script}`,
  );
}

async function leaderName(containers: Deployment['containers']): Promise<string> {
  let leader = '';
  await until('there is a leader', async () => {
    for (const container of containers.values()) {
      const status = [
        'exec',
        container,
        'holdfast',
        'cluster',
        'status',
        '--data',
        '/data',
        '--json',
      ];
      const { code, output } = await tryDocker(...status);
      if (code !== 0) continue;
      const view = JSON.parse(output.slice(output.indexOf('{'))) as Record<string, string>;
      leader = view['leaderId'] ?? '';
      if (leader !== '') return true;
    }
    return false;
  });
  return leader;
}

async function healthOf(container: string): Promise<string> {
  return (await inDocker('inspect', '--format', '{{.State.Health.Status}}', container)).trim();
}

async function inDocker(...words: readonly string[]): Promise<string> {
  return run(docker, words);
}

function tryDocker(...words: readonly string[]): Promise<{ code: number; output: string }> {
  return runCommand(docker, words, root);
}

async function run(program: string, words: readonly string[]): Promise<string> {
  const { code, output } = await runCommand(program, words, root);
  if (code !== 0) {
    throw new Error(`${program} ${words.slice(0, 8).join(' ')} failed:\n${output.slice(-3000)}`);
  }
  return output;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 90_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within 90 s: ${what}`);
    await delay(200);
  }
}

function say(what: string): void {
  process.stdout.write(`containers: ${what}\n`);
}

function socketOf(folder: string): string {
  return `unix://${join(folder, 'docker.sock')}`;
}

function cgroupOf(folder: string): string {
  return `/${folder.slice(folder.lastIndexOf('hf-'))}`;
}
