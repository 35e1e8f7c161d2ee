# frozen_string_literal: true

require 'securerandom'
require_relative 'blake2b'
require_relative 'connection'
require_relative 'exceptions'
require_relative 'package_ident'
require_relative 'path_segment'

module Habitat
  # A client of a hart-depot, with the methods of the gem habitat-client.
  #
  #    depot = Habitat::Client.new('http://depot.example:9636', token: File.read('token'))
  #    depot.put_package('results/acme-app-1.2.0-20260101120000-x86_64-linux.hart')
  #    depot.promote_package('acme/app/1.2.0/20260101120000', 'acceptance')
  #
  # Every method raises a Habitat::Error that says what the depot or the network refused, and an ArgumentError
  # before any request for arguments that cannot be right. Errors of the disk are SystemCallErrors.
  class Client
    # The URL as it was given, and the Connection to it.
    attr_reader :depot, :connection

    # +depot+ is the URL of a depot or, for reading, of one of its views. Without it, the environment names both
    # the depot and the token: HART_DEPOT_URL with HART_DEPOT_TOKEN or HART_DEPOT_TOKEN_FILE, or else
    # HAB_BLDR_URL with HAB_AUTH_TOKEN.
    def initialize(depot = nil, token: nil)
      depot, token_there = from_environment if depot.nil?
      @depot = depot
      @connection = Connection.new(depot, token: token || token_there)
    end

    # Returns the description of a package as a Hash. The latest release is meant where +pkg+ names none.
    #
    #    depot.show_package('core/zlib')['ident']['version']
    #    depot.show_package('core/zlib/1.2.8', target: 'x86_64-windows')
    def show_package(pkg, target: nil)
      ident = PackageIdent.parse(pkg)
      shown = connection.read_json(ShowError, "show of #{ident}", "pkgs/#{ident.to_path}#{query(target)}")
      return shown if shown.is_a?(Hash) && shown['ident'].is_a?(Hash)

      raise ShowError.new("#{connection.url} did not describe a package on show of #{ident}: is it a depot?", status: 200)
    end

    # Downloads a package to a folder, verifies its checksum, and returns the path of the file, whose name the
    # depot chooses. A file of this name is replaced. Nothing is left behind if anything fails.
    def fetch_package(pkg, path = '.', target: nil)
      shown = show_package(pkg, target: target)
      ident = PackageIdent.parse(shown['ident'].values_at('origin', 'name', 'version', 'release').join('/'))
      download("pkgs/#{ident.to_path}/download#{query(target)}", path, '.hart') do |file|
        next if Blake2b.file(file) == shown['checksum']

        raise DownloadError, "#{ident} arrived damaged: its checksum is not #{shown['checksum']}"
      end
    end

    # Uploads a package, and returns true. The depot reads its ident and target from the file. An upload of the
    # same file may be repeated.
    def put_package(file)
      refuse_view(UploadError, 'upload')
      upload("#{connection.api_path}/releases", file)
    end

    # Promotes a release to a view, and returns true. +pkg+ must name the version and the release.
    def promote_package(pkg, view)
      refuse_view(PromotionError, 'promote')
      ident = PackageIdent.parse(pkg)
      unless ident.fully_qualified?
        raise PromotionError, "#{pkg} is not fully qualified: promote a release, like #{ident.origin}/#{ident.pkg}/1.2.0/20260101120000"
      end
      path = "views/#{Habitat.path_segment(view)}/pkgs/#{ident.to_path}/promote"
      connection.post(PromotionError, "promote of #{ident} to #{view}", path)
    end

    # Downloads a public key of an origin to a folder, and returns the path of the file. +key+ is
    # +origin-revision+, or an origin for its latest key.
    def fetch_key(key, path = '.')
      download(key_path(key, 'latest'), path, '.pub')
    end

    # Uploads the public key +origin-revision+ from a file, and returns true. Raises an ArgumentError for the file of a
    # secret key, which is not sent.
    def put_key(key, path)
      refuse_view(UploadError, 'upload')
      unless File.open(path, 'rb') { |file| file.read(9) } == 'SIG-PUB-1'
        raise ArgumentError, "#{path} is not the file of a public key, whose first line is SIG-PUB-1"
      end
      upload(key_path(key), path)
    end

    # Shows no token.
    def inspect
      "#<#{self.class} #{connection.url}>"
    end

    private

    def from_environment
      url, token, file, bldr, bldr_token =
        %w[HART_DEPOT_URL HART_DEPOT_TOKEN HART_DEPOT_TOKEN_FILE HAB_BLDR_URL HAB_AUTH_TOKEN].map do |name|
          ENV[name] unless ENV[name].to_s.empty?
        end
      return [url, token || (file && File.read(file))] if url
      return [bldr, bldr_token] if bldr && bldr_token

      raise ArgumentError, 'no depot is named: give its URL, or set HART_DEPOT_URL'
    end

    def query(target)
      target ? "?target=#{ERB::Util.url_encode(target)}" : ''
    end

    def key_path(key, revision_without = nil)
      origin, revision = /\A(.+)-(\d{14})\z/.match(key.to_s)&.captures || [key.to_s, revision_without]
      if revision.nil? || origin.empty? || origin.include?('/')
        raise ArgumentError, "#{key.inspect} is not the name of a key: write it like acme-20260101120000"
      end
      "origins/#{Habitat.path_segment(origin)}/keys/#{revision}"
    end

    def refuse_view(error, act)
      return unless connection.view?

      raise error, "#{connection.url} is the URL of a view, which can only be read: give the URL of the depot to #{act}"
    end

    def upload(path, file)
      File.open(file, 'rb') { |opened| connection.post(UploadError, "uploading '#{file}'", path, opened) }
    end

    # Downloads to a hidden file, which gets its name when it is complete and the block has checked it.
    def download(path, folder, extension)
      part = File.join(folder, ".#{SecureRandom.hex(8)}.part")
      name = nil
      File.open(part, File::WRONLY | File::CREAT | File::EXCL | File::BINARY) do |file|
        connection.download(DownloadError, "download of #{path}", path) do |answer|
          name = file_name(answer['X-Filename'], extension)
          file
        end
        file.fsync
      end
      yield part if block_given?
      File.join(folder, name).tap { |file| File.rename(part, file) }
    ensure
      File.delete(part) if part && File.exist?(part)
    end

    # Returns the name that the depot gives a file, if it is one that can only be a file in the folder.
    def file_name(name, extension)
      return name if name.to_s.match?(/\A[\w+~][\w+~.-]*#{Regexp.escape(extension)}\z/)

      raise DownloadError, "the depot names the file #{name.inspect}, which is not the plain name of a #{extension} file"
    end
  end
end

# People say Hab, too.
Hab = Habitat unless defined?(Hab)
