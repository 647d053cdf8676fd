// The dashboard's sources hold to their types: what the bundler does not look at.
import { existsSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';

const work = process.env.DASHBOARD_BUILD;
const compiler = path.join(work, 'node_modules/typescript/bin/tsc');
if (!existsSync(compiler)) {
  console.log(`SKIPPED: dashboard: types: ${compiler} is missing; build the target dashboard`);
  process.exit(0);
}
process.exit(spawnSync(process.execPath, [compiler, '--noEmit'], { cwd: work, stdio: 'inherit' }).status ?? 1);
