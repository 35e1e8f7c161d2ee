import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { askAny, getRequest } from '../clients/load.ts'
import { TARGET } from '../clients/publisher.ts'
import { startServer } from './process.ts'
import type { ServerProcess } from './process.ts'

/** The answer of the depot to a URL. */
export interface Recorded {
  readonly url: string
  readonly status: number
  /** Names and values in turns, without the headers that node:http adds by itself. */
  readonly headers: string[]
  readonly file: string
  readonly sizeBytes: number
}

const WRITTEN_BY_NODE = new Set(['date', 'connection', 'keep-alive'])
const OK = 200
const HAB = { accept: '*/*', 'user-agent': `hab/2.0.450 (${TARGET}; 6.1.0)` }

/**
 * Starts node:http with the depot's present answers to these URLs, and 304 for their tags. `folder` gets the
 * bodies, at the paths of their URLs; the bodies of errors get the status as suffix.
 */
export async function startBare(
  depotPort: number,
  urls: Iterable<string>,
  folder: string,
): Promise<ServerProcess> {
  const answers: Recorded[] = []
  for (const url of urls) answers.push(await record(depotPort, url, folder))
  const answersFile = join(folder, 'answers.json')
  await writeFile(answersFile, JSON.stringify(answers))
  return startServer('bare.ts', [answersFile])
}

async function record(depotPort: number, url: string, folder: string): Promise<Recorded> {
  const { firstLine, headers, body } = await askAny(depotPort, getRequest(url, HAB, 'close'))
  const sent = headers.filter((_, i) => !WRITTEN_BY_NODE.has(headers[i - (i % 2)]?.toLowerCase() ?? ''))
  const status = Number(firstLine.split(' ')[1])
  const file = join(folder, new URL(url, 'http://127.0.0.1').pathname) + (status === OK ? '' : `.${status}`)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, body)
  return { url, status, headers: sent, file, sizeBytes: body.length }
}
