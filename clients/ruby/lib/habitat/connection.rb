# frozen_string_literal: true

require 'json'
require 'net/http'
require 'openssl'
require 'uri'
require_relative 'client/version'
require_relative 'exceptions'

module Habitat
  # The HTTP requests of a client. Each has a TCP connection of its own, through the proxy that +http_proxy+ or
  # +https_proxy+ names. Redirects are not followed, because the token is for one depot only.
  #
  # The arguments +error+ and +doing+ are the class of the exception to raise and the words for its message.
  class Connection
    # An answer. The names of +headers+ are in lower case, and +body+ is a String.
    Response = Struct.new(:status, :headers, :body)

    OPEN_SECONDS = 15
    # A depot checks a large package for a while before it answers.
    READ_SECONDS = 300
    # How much of the body of an error is read, and shown if it has no reason.
    MAX_ERROR_BYTES = 64 * 1024
    MAX_SHOWN_CHARACTERS = 300
    # What statuses mean that depots send without a reason, as they do for polls.
    MEANINGS = {
      '401' => 'the token is missing or wrong',
      '404' => 'it does not exist there, or the token may not see it'
    }.freeze
    # Errors of the disk are not among them, and reach the caller as they are.
    NETWORK_ERRORS = [
      SocketError, IOError, OpenSSL::SSL::SSLError,
      Net::OpenTimeout, Net::ReadTimeout, Net::WriteTimeout, Net::ProtocolError, Net::HTTPBadResponse, Net::HTTPHeaderSyntaxError,
      Errno::ECONNREFUSED, Errno::ECONNRESET, Errno::ECONNABORTED, Errno::EPIPE, Errno::ETIMEDOUT,
      Errno::EHOSTUNREACH, Errno::EHOSTDOWN, Errno::ENETUNREACH, Errno::EADDRNOTAVAIL
    ].freeze
    private_constant :OPEN_SECONDS, :READ_SECONDS, :MAX_ERROR_BYTES, :MAX_SHOWN_CHARACTERS, :MEANINGS, :NETWORK_ERRORS

    # The headers of every request. The token is one of them.
    attr_reader :headers
    # The URL of the depot or of a view, without a token.
    attr_reader :url

    # A name and a password in the URL become Basic authentication unless there is a token. A URL without +/v1+ is
    # completed by +/v1/depot+. Raises an ArgumentError if it is not an http or https URL.
    def initialize(url, token: nil)
      @uri = parse(url)
      @headers = {
        'Accept' => 'application/json, application/problem+json',
        'User-Agent' => "hart-depot-ruby/#{Client::VERSION}"
      }
      credential = credential_of(@uri, token.to_s.strip)
      @headers['Authorization'] = credential if credential
      @uri.password = @uri.user = @uri.query = @uri.fragment = nil
      @uri.path = @uri.path.chomp('/')
      @uri.path += '/v1/depot' unless @uri.path.split('/').include?('v1')
      @url = @uri.to_s
    end

    # Requests a path below the URL, and returns the Response, whatever its status is. Raises an Error if none
    # arrives.
    def get(path)
      exchange(Error, path, Net::HTTP::Get.new(target(path))) do |answer|
        Response.new(answer.code.to_i, answer.to_hash.transform_values { |values| values.join(', ') }, answer.read_body)
      end
    end

    # Returns the parsed JSON of a 200.
    def read_json(error, doing, path)
      exchange(error, doing, Net::HTTP::Get.new(target(path))) do |answer|
        refuse(error, doing, answer) unless answer.code == '200'
        JSON.parse(answer.read_body)
      end
    rescue JSON::ParserError
      raise error.new("#{url} did not answer with JSON on #{doing}: is it a depot?", status: 200)
    end

    # Yields the headers of a 200 to a block, and writes the body to the IO that the block returns.
    def download(error, doing, path)
      request = Net::HTTP::Get.new(target(path), 'Accept-Encoding' => 'identity')
      exchange(error, doing, request) do |answer|
        refuse(error, doing, answer) unless answer.code == '200'
        io = yield answer
        received = 0
        answer.read_body do |piece|
          received += io.write(piece)
          piece.clear # frees it before the next collection of garbage
        end
        # Net::HTTP takes the early end of a body for its end.
        expected = answer.content_length || received
        raise EOFError, "it sent only #{received} of #{expected} bytes" if received < expected
      end
    end

    # Sends a POST with the rest of an open file, or with nothing. Raises unless the answer is 200 or 201.
    def post(error, doing, path, file = nil)
      request = Net::HTTP::Post.new(target(path), 'Content-Type' => 'application/octet-stream')
      if file
        request.content_length = file.size - file.pos
        request.body_stream = file
      else
        request.body = ''
      end
      exchange(error, doing, request) do |answer|
        refuse(error, doing, answer) unless %w[200 201].include?(answer.code)
        answer.read_body
        true
      end
    end

    # Returns the path of the depot's own API, which is beside +/v1+.
    def api_path
      "#{@uri.path[%r{\A(.*?)/v1(?:/|\z)}, 1]}/api/v1"
    end

    # Reports whether the URL is that of a view or a channel.
    def view?
      @uri.path.match?(%r{/v1(/depot)?/(views|channels)/})
    end

    # Shows no token.
    def inspect
      "#<#{self.class} #{url}>"
    end

    private

    def parse(url)
      uri = URI.parse(url.to_s.strip)
      return uri if uri.is_a?(URI::HTTP) && !uri.hostname.to_s.empty?

      raise URI::InvalidURIError
    rescue URI::InvalidURIError # whose message would show a token
      raise ArgumentError, 'this is not the URL of a depot: write it like http://depot.example:9636', cause: nil
    end

    def credential_of(uri, token)
      return "Bearer #{token}" unless token.empty?
      return unless uri.userinfo

      name_and_password = uri.userinfo.split(':', 2).map { |part| URI::DEFAULT_PARSER.unescape(part) }
      "Basic #{[name_and_password.join(':')].pack('m0')}"
    end

    # A path that begins with a slash is one of the host, others are below the URL.
    def target(path)
      path.start_with?('/') ? path : "#{@uri.path}/#{path}"
    end

    # Sends a request, and returns what the block makes of the answer, whose body has not been read.
    def exchange(error, doing, request)
      headers.each { |name, value| request[name] = value }
      result = nil
      open_http.start { |http| http.request(request) { |answer| result = yield answer } }
      result
    rescue *NETWORK_ERRORS => e
      raise error, "#{url} #{fault(e)} (on #{doing})"
    end

    def open_http
      http = Net::HTTP.new(@uri.hostname, @uri.port)
      http.use_ssl = @uri.scheme == 'https'
      http.open_timeout = OPEN_SECONDS
      http.read_timeout = READ_SECONDS
      http.max_retries = 0 # a repeated download would be appended to what was written before
      http
    end

    def fault(error)
      case error
      when Errno::ECONNREFUSED then 'refuses connections: is the depot running?'
      when SocketError then "has an unknown host: #{error.message}"
      when Net::OpenTimeout then "does not answer within #{OPEN_SECONDS} s"
      when Net::ReadTimeout then "has not answered for #{READ_SECONDS} s"
      when OpenSSL::SSL::SSLError then "cannot be trusted: #{error.message}"
      when Net::ProtocolError, Net::HTTPBadResponse, Net::HTTPHeaderSyntaxError then 'does not speak HTTP'
      else "closed the connection: #{error.message}"
      end
    end

    # Raises an error with the depot's reason.
    def refuse(error, doing, answer)
      code, reason = reason_of(answer)
      status = answer.code.to_i
      raise error.new("Depot returned #{status} on #{doing}: #{reason}", status: status, code: code)
    end

    # Returns the code and the reason of a problem document (RFC 9457), of the +{code,msg}+ of other depots, or of
    # what else there is.
    def reason_of(answer)
      if answer.is_a?(Net::HTTPRedirection)
        return [nil, "it redirects to #{answer['location']}, which is not followed: use the right URL of the depot"]
      end

      text = beginning_of(answer)
      problem = JSON.parse(text)
      raise JSON::ParserError unless problem.is_a?(Hash)

      parts = Array(problem['errors']).map { |part| part['detail'] }
      reason = [problem['detail'] || problem['msg'] || answer.message, *(parts if parts.size > 1)].join("\n  ")
      [problem['code'].is_a?(String) ? problem['code'] : nil, reason]
    rescue JSON::ParserError
      shown = answer.content_type == 'text/html' ? '' : text.strip[0, MAX_SHOWN_CHARACTERS]
      [nil, shown.empty? ? MEANINGS.fetch(answer.code, answer.message) : shown]
    end

    def beginning_of(answer)
      text = String.new
      answer.read_body do |piece|
        text << piece
        break if text.bytesize > MAX_ERROR_BYTES
      end
      text.force_encoding(Encoding::UTF_8).scrub
    end
  end
end
