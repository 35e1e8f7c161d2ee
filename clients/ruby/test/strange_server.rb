# frozen_string_literal: true

require 'socket'

# A server that answers each request with the next of some answers, whatever it is asked. An answer is a String or a
# Proc, which gets the socket.
class StrangeServer
  attr_reader :requests

  # Yields the server, and closes it.
  def self.open(*answers)
    server = new(answers)
    yield server
  ensure
    server.close
  end

  # Returns an answer with a body.
  def self.answer(status, headers = {}, body = '')
    fields = { 'Content-Length' => body.bytesize }.merge(headers).map { |name, value| "#{name}: #{value}\r\n" }
    "HTTP/1.1 #{status}\r\n#{fields.join}\r\n#{body}"
  end

  def initialize(answers)
    @listener = TCPServer.new('127.0.0.1', 0)
    @requests = []
    @thread = Thread.new do
      answers.each { |answer| serve(@listener.accept, answer) }
    end
  end

  def url
    "http://127.0.0.1:#{@listener.addr[1]}"
  end

  def close
    @thread.kill
    @thread.join
    @listener.close
  end

  private

  def serve(socket, answer)
    head = +''
    head << socket.readpartial(1024) until head.include?("\r\n\r\n")
    @requests << head
    answer.is_a?(Proc) ? answer.call(socket, head) : socket.write(answer)
  rescue Errno::ECONNRESET, Errno::EPIPE, EOFError
    nil # the client left
  ensure
    socket.close
  end
end
