// Bundles the dashboard: `node build.mjs [--out DIR] [--watch]`. The output is index.html and assets/ with a hash in each
// name, so that the server may let browsers keep the assets forever.
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { build, context } from 'esbuild';

const here = process.cwd();
const flag = process.argv.indexOf('--out');
const out = path.resolve(flag > 0 ? process.argv[flag + 1] : 'dist');

/** Writes index.html last and then removes what it no longer names: a browser that loads in between finds whole pages. */
const page = {
  name: 'page',
  setup(esbuild) {
    esbuild.onEnd(async (result) => {
      if (result.errors.length > 0) return;
      const outputs = Object.entries(result.metafile.outputs);
      const made = (source, ending) => {
        const found = outputs.find(([file, of]) => of.entryPoint === source && file.endsWith(ending));
        if (!found) throw new Error(`the bundle of ${source} is missing`);
        return '/' + path.relative(out, path.resolve(here, found[0]));
      };
      const icon = outputs.find(([file]) => file.endsWith('.svg'));
      const html = (await readFile('index.html', 'utf8'))
        .replace('src/theme.ts', made('src/theme.ts', '.js'))
        .replace('src/main.tsx', made('src/main.tsx', '.js'))
        .replace('src/styles/main.css', made('src/styles/main.css', '.css'))
        .replace('src/icon.svg', '/' + path.relative(out, path.resolve(here, icon[0])));
      await writeFile(path.join(out, 'index.html.part'), html);
      await rename(path.join(out, 'index.html.part'), path.join(out, 'index.html'));
      const kept = new Set(outputs.map(([file]) => path.basename(file)));
      for (const file of await readdir(path.join(out, 'assets')))
        if (!kept.has(file)) await rm(path.join(out, 'assets', file));
    });
  },
};

const options = {
  absWorkingDir: here,
  entryPoints: ['src/main.tsx', 'src/theme.ts', 'src/styles/main.css', 'src/icon.svg'],
  entryNames: 'assets/[name]-[hash]',
  assetNames: 'assets/[name]-[hash]',
  outdir: out,
  bundle: true,
  minify: true,
  metafile: true,
  preserveSymlinks: true,
  format: 'iife',
  target: ['chrome123', 'firefox121', 'safari17.5'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  loader: { '.svg': 'copy' },
  legalComments: 'none',
  logLevel: 'warning',
  plugins: [page],
};

await mkdir(path.join(out, 'assets'), { recursive: true });
if (process.argv.includes('--watch')) {
  await (await context(options)).watch();
} else {
  await build(options);
}
