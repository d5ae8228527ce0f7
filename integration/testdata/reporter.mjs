// An app that keeps what it was sent, as Node.js has it: `node reporter.mjs PORT`.
// GET /reports hands out, and forgets, the requests so far. Answers say nothing
// of them: a token must not come back to who sent the request.
import http from 'node:http'

const reports = []

const server = http.createServer((request, answer) => {
  if (request.url === '/reports') {
    answer.end(JSON.stringify(reports.splice(0)))
    return
  }
  request.resume().on('end', () => {
    const { method, url, rawHeaders, rawTrailers, headers, trailers } = request
    reports.push({ method, url, rawHeaders, rawTrailers, headers, trailers })
    answer.end('ok')
  })
})
server.listen(Number(process.argv[2]), '127.0.0.1')
