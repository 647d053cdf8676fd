// The daemon's API over a simulated engine, and the built dashboard under the same strict policy:
//   node fake_api.mjs --files BUILD/share/dashboard [--port 0] [--runs 400] [--speed 1] [--seed 1] [--items 2000] [--empty] [--key KEY]
// Prints its URL. For developing the dashboard and for its browser test; it shares no code with the daemon.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { dataset, rejectedRows } from './fake_data.mjs';
import { Engine, isFinal } from './fake_engine.mjs';

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

class Refused extends Error {
  constructor(status, detail, remedy) {
    super(detail);
    Object.assign(this, { status, remedy });
  }
}

function page(items, query, fallback) {
  const limit = Math.min(10_000, Number(query.get('limit') ?? fallback));
  const from = Number(query.get('after') ?? 0);
  const next = from + limit < items.length ? String(from + limit) : null;
  return { items: items.slice(from, from + limit), next };
}

async function bodyOf(request) {
  let text = '';
  for await (const part of request) text += part;
  if (text !== '' && !(request.headers['content-type'] ?? '').startsWith('application/json')) throw new Refused(415, 'the body must be application/json', '');
  return text === '' ? {} : JSON.parse(text);
}

export function routes(engine) {
  const flow = (name) => engine.flows.find((one) => one.name === name) ?? fail(404, `no flow is called '${name}'`, '`millrace flows list` names them all');
  const run = (id) => engine.runs.get(Number(id)) ?? fail(404, `there is no run ${id}`, '`millrace runs list` shows the newest');
  const fail = (status, detail, remedy) => {
    throw new Refused(status, detail, remedy);
  };
  const top = (query) => [...engine.runs.values()].reverse().filter((one) => (query.get('parent') ? one.parent_id === Number(query.get('parent')) : !one.parent_id)
    && (!query.get('flow') || one.flow === query.get('flow')) && (!query.get('state') || query.get('state').split(',').includes(one.state)));
  return [
    ['GET', /^flows$/, () => ({ items: engine.flows.map((one) => engine.flowDocument(one)), next: null })],
    ['GET', /^flows\/([^/]+)$/, ([name]) => engine.flowDocument(flow(name))],
    ['GET', /^flows\/([^/]+)\/plan$/, ([name]) => ({ name, interval: flow(name).interval ? { chunk: { months: 0, days: flow(name).chunks ? 28 : 0, seconds: 0 } } : null })],
    ['POST', /^flows\/([^/]+)\/runs$/, ([name], query, body) => {
      for (const spec of flow(name).params) if (spec.required && body.params?.[spec.name] == null) fail(422, `flow ${name} requires the parameter '${spec.name}'`, `give it a value of type ${spec.type}`);
      return [202, engine.summary(engine.trigger(name, body))];
    }],
    ['PATCH', /^schedules\/([^/]+)$/, ([name], query, body) => {
      engine.setPaused(flow(name).name, body.paused);
      return engine.flowDocument(flow(name));
    }],
    ['GET', /^runs$/, (_, query) => page(top(query).map((one) => engine.summary(one)), query, 50)],
    ['GET', /^runs\/(\d+)$/, ([id]) => {
      const one = run(id);
      return { ...engine.summary(one), tasks: one.tasks.slice(0, 1000).map((task) => engine.taskDocument(task)), tasks_next: one.tasks.length > 1000 ? '1000' : null, chunks: one.chunks.map((chunk) => engine.summary(chunk)) };
    }],
    ['GET', /^runs\/(\d+)\/tasks$/, ([id], query) => page(run(id).tasks.map((task) => engine.taskDocument(task)), query, 1000)],
    ['GET', /^runs\/(\d+)\/logs$/, ([id], query) => {
      const lines = run(id).logs.filter((line) => !query.get('task') || line.task === query.get('task'));
      const from = Number(query.get('after') ?? 0);
      const items = lines.slice(from, from + Number(query.get('limit') ?? 1000));
      return { items, next: from + items.length, end: isFinal(run(id).state) && from + items.length >= lines.length };
    }],
    ['GET', /^runs\/(\d+)\/datasets\/([^/]+)$/, ([id, name], query) => dataset(run(id).tasks.find((task) => task.task === name && task.rows != null) ?? fail(404, `task ${name} of run ${id} has no dataset`, 'wait until it has completed'), Number(query.get('limit') ?? 20))],
    ['GET', /^runs\/(\d+)\/datasets\/([^/]+)\/rejected$/, ([id, name], query) => rejectedRows(run(id).tasks.find((task) => task.task === name) ?? fail(404, `flow ${run(id).flow} has no task ${name}`, ''), Number(query.get('limit') ?? 20))],
    ['POST', /^runs\/(\d+)\/cancel$/, ([id]) => {
      if (isFinal(run(id).state)) fail(409, `run ${id} is ${run(id).state} and cannot be cancelled`, '');
      engine.cancel(run(id));
      return engine.summary(run(id));
    }],
    ['POST', /^runs\/(\d+)\/(pause|resume)$/, ([id, what]) => {
      if (run(id).state !== (what === 'pause' ? 'running' : 'paused')) fail(409, `run ${id} is ${run(id).state}: it cannot be ${what}d`, '');
      engine.hold(run(id), what === 'pause');
      return [202, engine.summary(run(id))];
    }],
    ['POST', /^runs\/(\d+)\/rerun$/, ([id], query, body) => [202, engine.summary(engine.rerun(run(id), body.params))]],
    ['POST', /^runs\/(\d+)\/tasks\/([^/]+)\/approve$/, ([id, name], query, body) => {
      engine.decide(run(id), name, body.decision);
      return engine.summary(run(id));
    }],
  ];
}

function stream(engine, response) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  response.write(': hello\n\n');
  const send = (type, data) => response.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  const quiet = setInterval(() => response.write(': quiet\n\n'), 10_000);
  engine.on('event', send);
  response.on('close', () => {
    engine.off('event', send);
    clearInterval(quiet);
  });
}

async function file(files, url, response) {
  const name = url.pathname.startsWith('/assets/') ? url.pathname : '/index.html';
  const content = await readFile(path.join(files, path.normalize(name))).catch(() => undefined);
  if (!content) return void response.writeHead(404).end('no such file');
  response.writeHead(200, { 'Content-Type': types[path.extname(name)] ?? 'application/octet-stream', 'Content-Security-Policy': policy, 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-cache' });
  response.end(content);
}

/** Resolves to `{url, engine, close}`. */
export async function serve({ files, port = 0, key = '', ...options }) {
  const engine = new Engine(options);
  const table = routes(engine);
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://localhost');
    const json = (status, document) => response.writeHead(status, { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' }).end(JSON.stringify(document));
    try {
      if (!url.pathname.startsWith('/api/v1/')) return await file(files, url, response);
      if (key && request.headers.authorization !== `Bearer ${key}`) throw new Refused(401, 'this API key is not known', 'make one with `millrace keys create`');
      const target = url.pathname.slice(8);
      if (target === 'events') return stream(engine, response);
      for (const [method, pattern, handle] of table) {
        const found = pattern.exec(target);
        if (!found || method !== request.method) continue;
        const answer = handle(found.slice(1).map(decodeURIComponent), url.searchParams, method === 'GET' ? {} : await bodyOf(request));
        return Array.isArray(answer) ? json(...answer) : json(200, answer);
      }
      throw new Refused(404, `there is nothing at ${url.pathname}`, '');
    } catch (failure) {
      json(failure.status ?? 500, { type: 'about:blank', title: 'Refused', status: failure.status ?? 500, detail: failure.message, remedy: failure.remedy });
    }
  });
  await new Promise((ready) => server.listen(port, '127.0.0.1', ready));
  const close = () => {
    engine.close();
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  };
  return { url: `http://127.0.0.1:${server.address().port}`, engine, close };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { values } = parseArgs({ options: { files: { type: 'string' }, port: { type: 'string' }, runs: { type: 'string' }, items: { type: 'string' }, speed: { type: 'string' }, seed: { type: 'string' }, key: { type: 'string' }, empty: { type: 'boolean' } } });
  if (!values.files) {
    console.error('usage: node fake_api.mjs --files BUILD/share/dashboard [--port N] [--runs N] [--speed X] [--items N] [--seed N] [--key KEY] [--empty]');
    process.exit(2);
  }
  const { url } = await serve({ files: values.files, port: Number(values.port ?? 0), runs: Number(values.runs ?? 400), items: Number(values.items ?? 2000), speed: Number(values.speed ?? 1), seed: Number(values.seed ?? 1), key: values.key, empty: values.empty });
  console.log(url);
}
