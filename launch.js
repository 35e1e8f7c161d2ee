#!/usr/bin/env node
// Runs a script of this project under a Node that can. Plain JavaScript, because any old Node must be able to read it.
//   node launch.js SCRIPT [ARGUMENT...]      (as the bin: hart-depot ARGUMENT...)
import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const OLDEST = 24
const here = dirname(fileURLToPath(import.meta.url))
const asBin = process.argv[1].endsWith('hart-depot')
const [script, ...args] = asBin ? [join(here, 'src/main.ts'), ...process.argv.slice(2)] : process.argv.slice(2)

if (Number(process.versions.node.split('.')[0]) >= OLDEST) {
  process.argv = [process.execPath, realpathSync(script), ...args]
  await import(pathToFileURL(process.argv[1]).href)
} else {
  const node = packagedNode()
  if (node === undefined) {
    console.error(`hart-depot needs Node ${OLDEST} or newer; this is ${process.version}, and no packaged Node is installed for ${process.platform}-${process.arch}`)
    process.exit(1)
  }
  const env = { ...process.env, PATH: dirname(node) + delimiter + (process.env.PATH ?? '') }
  const child = spawn(node, [script, ...args], { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => (signal ? process.kill(process.pid, 'SIGKILL') : process.exit(code)))
}

function packagedNode() {
  const names = [`node-${process.platform}-${process.arch}`, `node-bin-${process.platform}-${process.arch}`]
  for (const name of names) {
    try {
      const binary = join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'bin/node')
      if (existsSync(binary)) return binary
    } catch {
      // not installed for this machine
    }
  }
  return undefined
}
