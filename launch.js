#!/usr/bin/env node
// Runs a script of this project under a Node that is new enough. This is plain JavaScript, because older versions of Node must run it.
//   node launch.js SCRIPT [ARGUMENT...]      SCRIPT is relative to this folder, not to the working directory
//   hart-depot ARGUMENT...                   the bin: under any other name, this file runs src/main.ts
import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import * as modules from 'node:module'
import { basename, delimiter, dirname, join, resolve } from 'node:path'
import { isatty } from 'node:tty'
import { fileURLToPath, pathToFileURL } from 'node:url'

const OLDEST = 24
const here = dirname(fileURLToPath(import.meta.url))
const given = process.argv.slice(2)
const [script, ...args] = basename(process.argv[1]) === 'launch.js' ? given : ['src/main.ts', ...given]
if (script === undefined) fail('usage: node launch.js SCRIPT [ARGUMENT...]')
const path = resolve(here, script)
if (!existsSync(path)) fail(`${path} does not exist`)

// Keeps compiled code, also for the threads and processes that are started from here. Node ignores a folder that it cannot write.
process.env.NODE_COMPILE_CACHE ??= join(here, 'node_modules/.cache/hart-depot')

if (Number(process.versions.node.split('.')[0]) >= OLDEST) {
  modules.enableCompileCache?.(process.env.NODE_COMPILE_CACHE)
  process.argv = [process.execPath, realpathSync(path), ...args]
  await import(pathToFileURL(process.argv[1]).href)
} else {
  const node = packagedNode()
  if (node === undefined) {
    fail(
      `needs Node ${OLDEST} or newer; this is ${process.version}, and no packaged Node is installed for ${process.platform}-${process.arch}`,
    )
  }
  const env = { ...process.env, PATH: dirname(node) + delimiter + (process.env.PATH ?? '') }
  const child = spawn(node, [path, ...args], { stdio: 'inherit', env })
  child.on('error', (error) => fail(`cannot run the packaged Node: ${error.message}`))

  // A terminal sends SIGINT and SIGHUP to the whole process group, so the child gets them too. A signal from `kill` reaches only this process.
  const byTerminal = [0, 1, 2].some((fd) => isatty(fd)) ? ['SIGINT', 'SIGHUP'] : []
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, () => byTerminal.includes(signal) || child.kill(signal))

  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    for (const each of signals) process.removeAllListeners(each)
    process.kill(process.pid, signal) // so that the parent sees the same signal
  })
}

function packagedNode() {
  const require = modules.createRequire(import.meta.url)
  // npm versions differ in which package they link as node_modules/.bin/node, so this looks for the packages themselves.
  for (const name of [
    `node-${process.platform}-${process.arch}`,
    `node-bin-${process.platform}-${process.arch}`,
  ]) {
    try {
      const binary = join(dirname(require.resolve(`${name}/package.json`)), 'bin/node')
      if (existsSync(binary)) return binary
    } catch {
      // it is not installed, because it is for other machines
    }
  }
  return undefined
}

function fail(message) {
  console.error(`hart-depot: ${message}`)
  process.exit(1)
}
