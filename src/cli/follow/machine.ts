import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { DEFAULT_TARGET, TARGETS } from '../../package/target.ts'
import type { Target } from '../../package/target.ts'

const MACHINE_ID = '/etc/machine-id' // machine-id(5) of systemd

/** Returns a lasting name of this machine: its machine ID or, without one, its host name. */
export async function readMachineId(): Promise<string> {
  try {
    const id = (await readFile(MACHINE_ID, 'utf8')).trim()
    return id === '' ? hostname() : id
  } catch {
    return hostname()
  }
}

/**
 * Returns a number from 0 to below 1. It is always the same for a machine and a package, and evenly
 * distributed over machines.
 */
export function placeInSpread(machineId: string, packageName: string): number {
  const hash = createHash('sha256').update(`${packageName}\n${machineId}`).digest()
  return hash.readUIntBE(0, 6) / 2 ** 48
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }

/** Returns the target of this machine, or x86_64-linux if no target fits it. */
export function targetOfMachine(): Target {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `${ARCHITECTURES[process.arch] ?? process.arch}-${platform}`
  return TARGETS.find((target) => target === name) ?? DEFAULT_TARGET
}
