/* skald.hpp - skald.h for C++17: handles that free themselves, results in place of statuses, no run time of its own.
 *
 *     auto runtime = skald::runtime::create().value();
 *     auto model = skald::model::open(runtime, "model.gguf").value();
 *     model.generate("The sea is", [](std::string_view text) { std::cout << text; return true; }).check();
 *
 * A fallible call gives a result<T>: look at it as a bool, take *r or r->..., or read r.status() and r.why(). value() and
 * check() throw skald::error; without exceptions (-fno-exceptions) these two do not exist, and nothing else is missing.
 * Callables that a call hears until it returns may throw: C returns first, then the exception comes out of the call. Those
 * that are only named in options may not, and outlive what they are named for.
 * A handle made from another keeps that one alive, so they may go in any order. Names, rules and units are those of skald.h,
 * whose structs are used as they are; get() gives the C handle.
 *
 *     runtime.hpp  options, memory, job system and log of the host; sources of files, memory plans, formats
 *     model.hpp    model, decoder, adapter        context.hpp  cache, sequence, span, context, sampler
 *     grammar.hpp  grammar, matcher               engine.hpp   engine, request
 *     chat.hpp     layout, answer                 beams.hpp    beams
 *     conversation.hpp  conversation: all that a chat needs */
#ifndef SKALD_HPP
#define SKALD_HPP

#include "beams.hpp"
#include "chat.hpp"
#include "context.hpp"
#include "conversation.hpp"
#include "engine.hpp"
#include "grammar.hpp"
#include "model.hpp"
#include "runtime.hpp"

#endif
