# frozen_string_literal: true

require_relative 'lib/habitat/client/version'

Gem::Specification.new do |spec|
  spec.name = 'hart-depot-client'
  spec.version = Habitat::Client::VERSION
  spec.summary = 'Uploads, promotes and downloads Habitat packages at a hart-depot'
  spec.description = 'The class and the methods of the gem habitat-client, with tokens and telling errors, for hart-depot.'
  spec.authors = ['The maintainers of hart-depot']
  spec.license = 'Apache-2.0'
  spec.required_ruby_version = '>= 3.0'
  spec.files = Dir.chdir(__dir__) { Dir['lib/**/*.rb', 'README.md', 'LICENSE'] }
end
