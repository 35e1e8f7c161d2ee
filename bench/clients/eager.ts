import { askAny, getRequest, pollKeepingAlive } from './load.ts'

// Sends COUNT polls, each after the answer to the last, and prints the polls per second. `eager.ts PORT URL
// COUNT`.

const [port = '', url = '', count = ''] = process.argv.slice(2)
const request = getRequest(url, {}, 'keep-alive')
const { firstLine, sizeBytes } = await askAny(Number(port), request)
const begun = performance.now()
await pollKeepingAlive(Number(port), [{ request, firstLine, answerBytes: sizeBytes }], Number(count))
console.log((Number(count) * 1_000) / (performance.now() - begun))
