package org.virtiobackend.cli;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;

/** POSIX signals. By reflection, as the JDK's only way to them has no supported name. */
final class Signals {
    private Signals() {}

    /** Runs {@code action} on a thread of its own each time the signal comes, instead of what the JVM would do. */
    static void handle(String name, Runnable action) {
        try {
            Class<?> signalClass = Class.forName("sun.misc.Signal");
            Class<?> handlerClass = Class.forName("sun.misc.SignalHandler");
            Object handler = Proxy.newProxyInstance(
                    Signals.class.getClassLoader(), new Class<?>[] {handlerClass}, (proxy, method, arguments) -> {
                        if (method.getName().equals("handle")) {
                            action.run();
                        }
                        return null;
                    });
            Object signal = signalClass.getConstructor(String.class).newInstance(name);
            signalClass.getMethod("handle", signalClass, handlerClass).invoke(null, signal, handler);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot handle SIG" + name + ": " + reason(e));
        }
    }

    private static String reason(ReflectiveOperationException e) {
        return String.valueOf(e instanceof InvocationTargetException ? e.getCause() : e);
    }
}
