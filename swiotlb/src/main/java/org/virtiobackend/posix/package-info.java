/** System calls through JNA direct mapping, and owners for what they return. The only package that knows JNA. */
package org.virtiobackend.posix;
